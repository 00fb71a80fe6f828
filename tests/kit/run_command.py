"""`inferometer run` as a process."""

import contextlib
import http.client
import json
import re
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from inferometer.catalog import telemetry
from inferometer_compose.beside import folders

ROOT = Path(__file__).parents[2]
RUN = (sys.executable, "-m", "inferometer_compose", "run")
BODY = json.dumps({"numbers": [1, 2, 3]})


@dataclass
class Started:
    """`inferometer run` and what it writes."""

    process: subprocess.Popen
    folder: Path
    port: int = 0

    def err(self):
        return (self.folder / "err").read_text()

    def out(self):
        return (self.folder / "out").read_text()

    def until(self, condition, seconds=40.0):
        """The first answer of *condition* that is one; nobody listens yet is none."""
        deadline = time.monotonic() + seconds
        while True:
            with contextlib.suppress(OSError, http.client.HTTPException):
                if answer := condition():
                    return answer
            assert time.monotonic() < deadline, self.err() + self.out()
            time.sleep(0.02)

    def ask(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("POST", "/predict", BODY, {"content-type": "application/json"})
            return connection.getresponse().status == 200
        finally:
            connection.close()

    def said(self, text):
        self.until(lambda: text in self.out() + self.err())

    def wait(self):
        return self.process.wait(40)

    def recorder(self):
        (path,) = folders.recorders({"XDG_STATE_HOME": str(self.folder)})
        return path

    def sends(self):
        """Whether a worker has sent a frame to the sidecar that answers now."""
        page = re.search(r"sidecar on (http://\S+/metrics)", self.err())[1]
        with urllib.request.urlopen(page, timeout=10) as answer:
            return re.search(rf"^{telemetry.WORKERS.name}{{.*}} 1$", answer.read().decode(), re.MULTILINE)

    def sidecar(self):
        """Process id of the sidecar."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        for pid in map(int, children.read_text().split()):
            if b"--with-stdin" in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0"):
                return pid
        return None


def python(code):
    return "--", sys.executable, "-c", code
