#!/usr/bin/env python3
"""A ticket service for trying things out, on loopback, closed to everyone without the key.

    tickets.py PORT     the key is in TICKETS_KEY
"""

import http.server
import json
import os
import sys

KEY = os.environ["TICKETS_KEY"]


class Tickets(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def serve(self):
        self.rfile.read(int(self.headers.get("content-length", 0)))
        known = self.headers.get("x-api-key") == KEY
        answer = {"asked": f"{self.command} {self.path}"} if known else {"error": "no key"}
        content = json.dumps(answer).encode() + b"\n"
        self.send_response(200 if known else 401)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_DELETE = do_GET = do_POST = serve


http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Tickets).serve_forever()
