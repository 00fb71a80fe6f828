"""The real Collectors of Docker Compose's profile `scale` on ports of their own: one balances, two sample."""

import re
import socket
import subprocess
import time
from pathlib import Path

from free_ports import free_port
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
PROGRAM = ROOT / ".tools/bin/otelcol"
FOLDER = ROOT / "compose/collector"
DECISION_WAIT = "2s"


class Collectors:
    """Run until they are closed."""

    def __init__(self, folder: Path, jaeger: str, *, samplers: int = 2) -> None:
        assert PROGRAM.exists(), f"{PROGRAM} is missing; run `make tools`"
        folder.mkdir()
        self._folder = folder
        self._processes: list[subprocess.Popen[bytes]] = []
        self.health: list[int] = []
        rows = [self._sampler(number, jaeger) for number in range(samplers)]
        self.otlp = self._balancer(rows)

    def _sampler(self, number: int, jaeger: str) -> int:
        text = (FOLDER / "sampler.yaml").read_text().replace("jaeger:4317", jaeger)
        return self._run(f"sampler-{number}", text)[4317]

    def _balancer(self, samplers: list[int]) -> str:
        yaml = YAML(typ="safe", pure=True)
        document = yaml.load((FOLDER / "balancer.yaml").read_text())
        # On this host no name has several addresses.
        static = {"hostnames": [f"127.0.0.1:{port}" for port in samplers]}
        document["exporters"]["loadbalancing"]["resolver"] = {"static": static}
        path = self._folder / "balancer.source"
        yaml.dump(document, path)
        return f"http://127.0.0.1:{self._run('balancer', path.read_text())[4318]}"

    def _run(self, name: str, text: str) -> dict[int, int]:
        ports: dict[int, int] = {}
        text = re.sub(r"0\.0\.0\.0:(\d+)", lambda one: f"127.0.0.1:{ports.setdefault(int(one[1]), free_port())}", text)
        path, log = self._folder / f"{name}.yaml", self._folder / f"{name}.log"
        path.write_text(text)
        with log.open("wb") as out:
            process = subprocess.Popen(
                [PROGRAM, "--config", path], stdout=out, stderr=out, env={"DECISION_WAIT": DECISION_WAIT}
            )
        self._processes.append(process)
        self.health.append(ports[13133])
        deadline = time.monotonic() + 60
        for port in ports.values():
            while True:
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", port)) == 0:
                        break
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < deadline, log.read_text()
                time.sleep(0.05)
        return ports

    def close(self) -> None:
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            process.wait(20)
