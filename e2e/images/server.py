"""A server as inference servers are: it imports a large library, maps its model, and only then answers."""

import http.server
import json
import mmap
import os
import time

import numpy

with open("/srv/model.bin", "rb") as file:
    model = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
# a model's header and a few of its pages are all that a first answer needs
head = numpy.frombuffer(model[: 64 * 1024], dtype=numpy.uint8)
samples = [model[at] for at in range(0, len(model), len(model) // 8)]
print("ready: head sums to", int(head.sum()), "at", time.time(), flush=True)


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps({"sum": int(head.sum()), "samples": samples, "pid": os.getpid()}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, form, *values):
        pass


http.server.ThreadingHTTPServer(("", 8000), Handler).serve_forever()
