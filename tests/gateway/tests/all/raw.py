"""Sends exact bytes over TLS and prints what comes back, one JSON object a case. Runs inside the sandbox."""
import json, socket, ssl, sys

def talk(case):
    context = ssl.create_default_context()
    context.check_hostname = False
    context.set_alpn_protocols([case.get("alpn", "http/1.1")])
    try:
        plain = socket.create_connection((case["host"], case["port"]), timeout=30)
        with context.wrap_socket(plain, server_hostname=case.get("sni", case["host"])) as stream:
            stream.sendall(bytes.fromhex(case["send"]))
            answer = b""
            while len(answer) < 65536:
                chunk = stream.recv(65536)
                if not chunk:
                    break
                answer += chunk
            return answer.decode("latin-1")
    except OSError as error:
        return "error: " + str(error)

for case in json.load(open(sys.argv[1])):
    print(json.dumps({"name": case["name"], "answer": talk(case)}), flush=True)
