"""Serves a folder on port 80 of a network of its own, and runs a program there.

Usage: unshare --net python3 port80.py FOLDER PROGRAM [ARG ...]

The loopback interface is taken up first. Files beneath a folder "manifests" are
served under the media type that they name, as registries do.
"""

import fcntl
import http.server
import json
import os
import socket
import struct
import subprocess
import sys
import threading

SIOCSIFFLAGS, IFF_UP = 0x8914, 1


class Handler(http.server.SimpleHTTPRequestHandler):
    def __init__(self, *args):
        super().__init__(*args, directory=sys.argv[1])

    def guess_type(self, path):
        if "/manifests/" not in path:
            return "application/octet-stream"
        with open(path, "rb") as f:
            document = json.load(f)
        default = "application/vnd.oci.image.index.v1+json" if "manifests" in document else ""
        return document.get("mediaType", default)

    def log_message(self, *args):
        pass


def main():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        fcntl.ioctl(s, SIOCSIFFLAGS, struct.pack("16sh", b"lo", IFF_UP))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 80), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.exit(subprocess.run(sys.argv[2:], check=False).returncode)


if __name__ == "__main__":
    os.umask(0o022)
    main()
