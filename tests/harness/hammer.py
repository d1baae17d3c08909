# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""tests/tools/hammer: clients that leave at every stage of a request."""

import json
import os
import subprocess

from . import paths

STAGES = ("silent", "head", "body_due", "body", "sent", "worked_on", "answered", "served")
WAYS = ("close", "half", "reset")


def head(method, path, body=b"", **headers):
    """The bytes of a request; a header of None is left out, Content_Length is added."""
    fields = {"Host": "test", "Content-Length": str(len(body))} if method != "GET" else \
        {"Host": "test"}
    fields.update((k.replace("_", "-"), v) for k, v in headers.items())
    lines = "".join(f"{k}: {v}\r\n" for k, v in fields.items() if v is not None)
    return f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode() + body


class Hammer:
    """Runs beside the test. folder: for the files of the requests."""

    def __init__(self, address, requests, folder, count, threads=8, seed=1):
        files = []
        for i, request in enumerate(requests):
            files.append(os.path.join(folder, f"hammer-{os.path.basename(address)}-{i}"))
            with open(files[-1], "wb") as f:
                f.write(request)
        self.process = subprocess.Popen(
            [paths.program("tests/hammer"), "-n", str(count), "-t", str(threads), "-s", str(seed),
             address, *files], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)

    def running(self):
        return self.process.poll() is None

    def result(self, limit):
        """What it counted; gone: nobody listened any more."""
        try:
            out, _ = self.process.communicate(timeout=limit)
        finally:
            self.close()
        return json.loads(out)

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        if self.process.stdout:
            self.process.stdout.close()
