"""The programs that sizing.py starts, and what they use."""

import re
import socket
import tempfile
import time
import urllib.request
from contextlib import ExitStack
from pathlib import Path

import psutil

from inferometer_compose import web
from inferometer_compose.stack.process import Command, Process

ROOT = Path(__file__).parents[1]
BIN = ROOT / ".tools/bin"


def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def cpu(process: Process) -> float:
    times = psutil.Process(process.pid).cpu_times()
    return times.user + times.system


def size(folder: Path) -> int:
    return sum(path.stat().st_blocks * 512 for path in folder.rglob("*") if path.is_file())


def spent(process: Process, seconds: float) -> float:
    before = cpu(process)
    time.sleep(seconds)
    return cpu(process) - before


class Peer:
    """A program with a file of compose/, on ports and in a folder of its own."""

    def __init__(self, stack: ExitStack, name: str, command: list[str], files: list[Path], **named: str) -> None:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="inferometer-sizing-")))
        self.folder = folder
        self._ports: dict[int, int] = {}
        for index, path in enumerate(files):
            text = path.read_text().replace("/badger", str(folder / "badger"))
            text = text.replace("/etc/inferometer", str(ROOT / "compose/config/jaeger"))
            for far, near in named.items():
                text = text.replace(far, near)
            text = re.sub(r"0\.0\.0\.0:(\d+)", lambda found: self.address(int(found[1])), text)
            (folder / f"{index}.yaml").write_text(text)
        configured = [f"--config={folder}/{index}.yaml" for index in range(len(files))]
        self.process = Process(Command(name, [*command, *configured], {"DECISION_WAIT": "2s"}), folder)
        stack.callback(self.process.end, within_seconds=20)

    def address(self, usual: int) -> str:
        """Host and port that stand for a usual port."""
        return f"127.0.0.1:{self._ports.setdefault(usual, port())}"

    def wait(self, usual: int) -> None:
        """Wait until somebody listens there."""
        host, _, number = self.address(usual).partition(":")
        self.process.wait_until(lambda: answers((host, int(number))), within_seconds=60)


def answers(address: tuple[str, int]) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(address) == 0


def metric(url: str, name: str) -> float:
    """Sum of a family on a page of Prometheus' own."""
    text = web.fetch(f"{url}/metrics", timeout_seconds=30).body.decode()
    return sum(
        float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith((f"{name}{{", f"{name} "))
    )


def page_bytes(url: str) -> int:
    """Bytes of a scrape as Prometheus asks for it."""
    accept = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"
    request = urllib.request.Request(url, headers={"Accept": accept, "Accept-Encoding": "gzip"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return len(answer.read())
