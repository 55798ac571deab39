"""Imports what MODULES names, maps MODEL and reads of it what READ says, then answers HTTP with the SHA-256 of all that."""

import http.server
import importlib
import mmap
import os
import sys

if len(sys.argv) == 1:
    print("starts", flush=True)

import hashlib

PAGE = 4096


def parts(size, read):
    """What is read of a model: all of it, or its head and 64 pages of it."""
    if read == "all":
        return [(at, 1 << 20) for at in range(0, size, 1 << 20)]
    return [(0, 16 * PAGE)] + [(size // 64 * n // PAGE * PAGE, PAGE) for n in range(64)]


def digest(model, read):
    sha = hashlib.sha256()
    with open(model, "rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        for at, length in parts(len(mapped), read):
            sha.update(mapped[at : at + length])
    return sha.hexdigest()


if __name__ == "__main__":
    if sys.argv[1:]:  # where the image is made
        print(digest(*sys.argv[1:]))
        sys.exit()
    for name in os.environ["MODULES"].split():
        importlib.import_module(name)
    answer = digest(os.environ["MODEL"], os.environ["READ"]).encode()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, form, *values):
            pass

    http.server.ThreadingHTTPServer(("127.0.0.1", 8000), Handler).serve_forever()
