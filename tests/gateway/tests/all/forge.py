# A launcher that lies: names a session as its parent and brings listeners that are none of a sandbox.
import array, json, os, socket, sys
home, build, protocol, parent = sys.argv[1:5]
wire = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
try:
    wire.connect(home + "/launch.sock")
except OSError as error:
    print("unreached", error.errno)
    sys.exit()
wire.send(json.dumps({"frame": "hello", "build": build, "protocol": int(protocol)}).encode())
print(json.loads(wire.recv(65536))["frame"])
listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(3)]
descriptors = array.array("i", [listener.fileno() for listener in listeners])
wanted = {"frame": "open", "task": "t", "agent": "mailer", "profile": "p", "argv": [], "workdir": "/", "workspace": list(os.getcwdb()), "ttl_ms": 0,
          "terminal": False, "parent": parent, "initiator": {"kind": "user", "name": "boss"}, "depth": 0}
wire.sendmsg([json.dumps(wanted).encode()], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, descriptors)])
print(wire.recv(65536).decode())
