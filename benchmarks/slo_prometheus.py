"""A Prometheus that evaluates what it is asked, on blocks that are there, and says what that took."""

import http.client
import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlencode

from slo_month import END

PROGRAM = Path(__file__).parents[1] / ".tools/bin/prometheus"


class Server:
    """A Prometheus that evaluates what it is asked."""

    def __init__(self, pid, port):
        self.pid = pid
        self.web = http.client.HTTPConnection("127.0.0.1", port, timeout=600)

    def ask(self, path, **form):
        """An answer of its API, as text."""
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        self.web.request("POST" if form else "GET", path, urlencode(form) if form else None, kind if form else {})
        answer = self.web.getresponse()
        text = answer.read()
        if answer.status != 200:
            raise SystemExit(f"{path}: {text[:500]!r}")
        return text

    def query(self, expr):
        """Evaluates an expression at the end; samples read, and the most at once."""
        stats = json.loads(self.ask("/api/v1/query", query=expr, time=END, stats="all"))["data"]["stats"]["samples"]
        return stats["totalQueryableSamples"], stats["peakSamples"]

    def cpu_seconds(self):
        """CPU time that the process used."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def allocated(self):
        """Bytes that the process allocated so far."""
        return float(re.search(rb"^go_memstats_alloc_bytes_total (\S+)", self.ask("/metrics"), re.MULTILINE)[1])


@contextmanager
def prometheus(folder) -> Iterator[Server]:
    """Prometheus on the blocks, on a free port."""
    (folder / "prometheus.yml").write_text("global: {}\n")
    log = (folder / "log").open("w+")
    process = subprocess.Popen(
        [
            PROGRAM, f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data",
            "--web.listen-address=127.0.0.1:0", "--storage.tsdb.retention.time=100y", "--query.timeout=10m",
            "--storage.tsdb.min-block-duration=2h", "--storage.tsdb.max-block-duration=2h",
        ],
        stderr=log,
    )  # fmt: skip
    try:
        deadline, port = time.monotonic() + 300, None
        while port is None:
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit((folder / "log").read_text()[-2000:])
            time.sleep(0.2)
            said = (folder / "log").read_text()
            if "Server is ready" in said:
                port = int(re.search(r"Listening on.*address=127\.0\.0\.1:(\d+)", said)[1])
        yield Server(process.pid, port)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)
        log.close()
