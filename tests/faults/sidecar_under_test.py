"""A sidecar as a process, and somebody who reads its page all the time."""

import http.client
import resource
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path


class Sidecar:
    """The process that is killed."""

    def __init__(self, folder: Path, *options: str) -> None:
        self._folder = folder
        self._options = options
        self.metrics = ""
        self.doors: dict[str, str] = {}
        """What it said on standard output: where it listens, by name."""
        self.api = ""
        self.process: subprocess.Popen[str] | None = None

    @property
    def log(self) -> str:
        """What it said on standard error, in all its lives."""
        path = self._folder / "sidecar.log"
        return path.read_text() if path.exists() else ""

    def start(self, *, die_after: int = 0) -> None:
        program = Path(__file__).with_name("sidecar_process.py")
        command = [sys.executable, str(program), str(self._folder), "--die-after", str(die_after), *self._options]
        with (self._folder / "sidecar.log").open("a") as log:
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
        assert self.process.stdout is not None
        for line in self.process.stdout:
            name, _, value = line.strip().partition(" ")
            self.doors[name] = value
            if name == "metrics":
                self.metrics = value
            if name == "api":
                self.api = value
                return
        # It died on the first steps, before it said where it listens: that is a kill like another.

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.reap()

    def terminate(self) -> int:
        assert self.process is not None
        self.process.terminate()
        return self.reap()

    def resident_bytes(self) -> int:
        assert self.process is not None
        return int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]) * resource.getpagesize()

    def reap(self) -> int:
        assert self.process is not None
        try:
            status = self.process.wait(60)
        except subprocess.TimeoutExpired as error:
            self.process.kill()
            raise AssertionError(f"it did not end within 60 s:\n{self.log[-4000:]}") from error
        assert self.process.stdout is not None
        self.process.stdout.close()
        return status


class Scraper:
    """Fetches the page all the time and complains about every counter that falls."""

    def __init__(self, sidecar: Sidecar) -> None:
        self._sidecar = sidecar
        self._stop = threading.Event()
        self.values: dict[str, float] = {}
        self.fallen: list[str] = []
        self.scrapes = 0
        self.thread = threading.Thread(target=self._run, daemon=True)

    def scrape(self) -> None:
        try:
            with urllib.request.urlopen(self._sidecar.metrics, timeout=2) as answer:
                text = answer.read().decode()
        except (OSError, ValueError, http.client.HTTPException):
            # It is down, or died in the middle of its answer.
            return
        kinds: dict[str, str] = {}
        now: dict[str, float] = {}
        for line in text.splitlines():
            if line.startswith("# TYPE "):
                _, _, name, kind = line.split(" ")
                kinds[name] = kind
            elif not line.startswith("#"):
                key, value = line.split(" # ")[0].rsplit(" ", 1)
                name = key.partition("{")[0]
                if kinds.get(name) == "counter" or name.endswith(("_bucket", "_count", "_sum", "_total")):
                    now[key] = float(value)
        for key, value in now.items():
            if value < self.values.get(key, 0.0) - 1e-12:
                self.fallen.append(f"{key} fell from {self.values[key]} to {value}")
        self.values.update(now)
        self.scrapes += 1

    def _run(self) -> None:
        while not self._stop.wait(0.1):
            self.scrape()

    def finish(self) -> None:
        self._stop.set()
        self.thread.join(10)

    def total(self, name: str, **labels: str) -> float:
        wanted = [f'{label}="{value}"' for label, value in labels.items()]
        return sum(
            value
            for key, value in self.values.items()
            if key.partition("{")[0] == name and all(part in key for part in wanted)
        )
