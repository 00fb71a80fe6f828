"""The real Jaeger with the configuration of Docker Compose, on ports and in a folder of its own."""

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import urlencode

from free_ports import free_port
from ruamel.yaml import YAML

from inferometer_compose import web

ROOT = Path(__file__).parents[2]
PROGRAM = ROOT / ".tools/bin/jaeger"
COMPOSE = ROOT / "compose/docker-compose.yaml"
FOLDER = ROOT / "compose/jaeger"
DEFAULT = ("config.yaml", "disk.yaml", "span-metrics-off.yaml")
UI = ROOT / "compose/config/jaeger/ui.js"


class Jaeger:
    """Runs until it is ended; what it stored is in the folder.

    Args:
        folder: is made.
        files: of `compose/jaeger`, as Docker Compose names them in this order.
        named: host and port -> what stands here for it.
        service: of Docker Compose, whose environment it has.
    """

    def __init__(
        self, folder: Path, *files: str, named: Mapping[str, str] = MappingProxyType({}), service: str = "jaeger"
    ) -> None:
        assert PROGRAM.exists(), f"{PROGRAM} is missing; run `make tools`"
        folder.mkdir()
        self._folder = folder
        self._ports: dict[int, int] = {}
        self._environment = {**os.environ, **_environment(service)}
        self._files = []
        for name in files or DEFAULT:
            path = folder / name
            path.write_text(self._local((FOLDER / name).read_text(), named))
            self._files.append(path)
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def _local(self, text: str, named: Mapping[str, str]) -> str:
        """Endpoints of this host, on free ports; the folders and files of the image here."""
        for far, near in named.items():
            text = text.replace(far, near)
        text = re.sub(r"0\.0\.0\.0:(\d+)", lambda found: f"127.0.0.1:{self.port(int(found[1]))}", text)
        return text.replace("/badger", f"{self._folder}/badger").replace("/etc/inferometer/ui.js", str(UI))

    def port(self, usual: int) -> int:
        """Where it listens instead of the usual port."""
        return self._ports.setdefault(usual, free_port())

    def address(self, usual: int) -> str:
        """The same as host and port."""
        return f"127.0.0.1:{self.port(usual)}"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port(16686)}"

    @property
    def otlp(self) -> str:
        return f"http://127.0.0.1:{self.port(4318)}"

    def start(self) -> None:
        with (self._folder / "log").open("ab") as log:
            command = [str(PROGRAM), *(f"--config={path}" for path in self._files)]
            self._process = subprocess.Popen(command, stdout=log, stderr=log, env=self._environment)
        health = f"http://127.0.0.1:{self.port(13133)}/status"
        deadline = time.monotonic() + 60
        while not web.answers(health):
            assert self._process.poll() is None, self.log
            assert time.monotonic() < deadline, self.log
            time.sleep(0.1)

    @property
    def log(self) -> str:
        return (self._folder / "log").read_text()[-4000:]

    def end(self, number: signal.Signals = signal.SIGTERM) -> None:
        assert self._process is not None
        self._process.send_signal(number)
        # Badger compacts what it holds before it closes.
        self._process.wait(60)

    def ask(self, path: str, **parameters: object) -> Any:
        """What ``/api/…`` answers; None where it is not found."""
        answer = web.fetch(f"{self.url}/api/{path}?{urlencode(parameters)}", timeout_seconds=30)
        return json.loads(answer.body)["data"] if answer.status == 200 else None

    def trace(self, trace_id: str) -> list[dict[str, Any]]:
        """The spans of a trace, as Jaeger's UI gets them; none where it is not there."""
        found = self.ask(f"traces/{trace_id}")
        return [] if not found else [
            {**span, "service": found[0]["processes"][span["processID"]]["serviceName"]} for span in found[0]["spans"]
        ]  # fmt: skip


def _environment(service: str) -> dict[str, str]:
    """What Docker Compose gives a service."""
    document = YAML(typ="safe", pure=True).load(COMPOSE)
    return dict(document["services"][service]["environment"])


def tags(span: dict[str, Any]) -> dict[str, Any]:
    """A span's attributes."""
    return {tag["key"]: tag["value"] for tag in span["tags"]}
