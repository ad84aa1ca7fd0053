"""Sends HTTP/2 requests that a well-behaved library would not, one connection each. Runs inside the sandbox."""
import json, socket, ssl, sys
import h2.config, h2.connection, h2.events

def talk(case):
    context = ssl.create_default_context()
    context.set_alpn_protocols(["h2"])
    config = h2.config.H2Configuration(client_side=True, validate_outbound_headers=False, normalize_outbound_headers=False)
    connection = h2.connection.H2Connection(config=config)
    try:
        plain = socket.create_connection(("localhost", case["port"]), timeout=30)
        with context.wrap_socket(plain, server_hostname="localhost") as stream:
            connection.initiate_connection()
            body = bytes.fromhex(case.get("body", ""))
            headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in case["headers"]]
            connection.send_headers(1, headers, end_stream=not body)
            if body:
                connection.send_data(1, body, end_stream=True)
            stream.sendall(connection.data_to_send())
            status = "none"
            while True:
                data = stream.recv(65536)
                if not data:
                    return status if status != "none" else "closed"
                for event in connection.receive_data(data):
                    if isinstance(event, h2.events.ResponseReceived):
                        status = dict(event.headers)[b":status"].decode()
                    if isinstance(event, (h2.events.StreamReset, h2.events.ConnectionTerminated)):
                        return "reset"
                    if isinstance(event, h2.events.StreamEnded):
                        return status
                stream.sendall(connection.data_to_send())
    except Exception as error:
        return "error: " + str(error)

for case in json.load(open(sys.argv[1])):
    print(json.dumps({"name": case["name"], "answer": talk(case)}), flush=True)
