#!/usr/bin/env python3
"""A git forge for trying things out: git's own `http-backend`, on loopback, closed to everyone without the token.

    forge.py DIRECTORY PORT     creates DIRECTORY/acme/site.git if it is missing; the token is in FORGE_TOKEN

Clear text and one token: for this machine, and for nothing else.
"""

import base64
import http.server
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(sys.argv[1]).resolve()
TOKEN = os.environ["FORGE_TOKEN"]


class Forge(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def serve(self):
        body = self.body()
        kind, _, value = self.headers.get("authorization", "").partition(" ")
        given = base64.b64decode(value).decode().partition(":")[2] if kind == "Basic" else value
        if given != TOKEN:
            return self.answer(401, [("www-authenticate", 'Basic realm="forge"')], b"who are you?\n")
        path, _, query = self.path.partition("?")
        environment = {
            "CONTENT_ENCODING": self.headers.get("content-encoding", ""),
            "CONTENT_LENGTH": str(len(body)),
            "CONTENT_TYPE": self.headers.get("content-type", ""),
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_PROJECT_ROOT": str(ROOT),
            "GIT_PROTOCOL": self.headers.get("git-protocol", ""),
            "HTTP_CONTENT_ENCODING": self.headers.get("content-encoding", ""),
            "PATH": os.environ["PATH"],
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "REMOTE_USER": "agent",
            "REQUEST_METHOD": self.command,
        }
        backend = subprocess.run(["git", "http-backend"], input=body, env=environment, stdout=subprocess.PIPE)
        head, _, content = backend.stdout.partition(b"\r\n\r\n")
        fields = [tuple(line.decode().split(": ", 1)) for line in head.split(b"\r\n") if line]
        status = next((int(value[:3]) for name, value in fields if name == "Status"), 200)
        self.answer(status, [field for field in fields if field[0] != "Status"], content)

    do_GET = do_POST = serve

    def body(self):
        if self.headers.get("transfer-encoding", "") != "chunked":
            return self.rfile.read(int(self.headers.get("content-length", 0)))
        chunks = []
        while size := int(self.rfile.readline(), 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(chunks)

    def answer(self, status, fields, content):
        self.send_response(status)
        for name, value in [*fields, ("content-length", str(len(content)))]:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, form, *arguments):
        print(f"{self.command} {self.path} token {'seen' if 'authorization' in self.headers else 'missing'}", flush=True)


def git(*arguments):
    subprocess.run(["git", *arguments], check=True, stdout=subprocess.DEVNULL)


def create(repository):
    if repository.exists():
        return
    git("init", "--bare", "--initial-branch=main", str(repository))
    git("-C", str(repository), "config", "http.receivepack", "true")
    blob = subprocess.run(["git", "-C", str(repository), "hash-object", "-w", "--stdin"], input=b"hello\n",
                          check=True, stdout=subprocess.PIPE).stdout.decode().strip()
    tree = subprocess.run(["git", "-C", str(repository), "mktree"], input=f"100644 blob {blob}\tREADME\n".encode(),
                          check=True, stdout=subprocess.PIPE).stdout.decode().strip()
    who = ["-c", "user.name=forge", "-c", "user.email=forge@localhost"]
    commit = subprocess.run(["git", "-C", str(repository), *who, "commit-tree", "-m", "Begin", tree],
                            check=True, stdout=subprocess.PIPE).stdout.decode().strip()
    git("-C", str(repository), "update-ref", "refs/heads/main", commit)


create(ROOT / "acme/site.git")
server = http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[2])), Forge)
print(f"http://localhost:{server.server_address[1]}/acme/site.git", flush=True)
server.serve_forever()
