"""A sidecar and a Prometheus that watch an engine as `inferometer generate` says, an hour of windows in a minute."""

import json
import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlencode

from free_ports import free_port

from inferometer_compose import web
from inferometer_compose.web import AnswerError

ROOT = Path(__file__).parents[2]
PROMETHEUS = ROOT / ".tools/bin/prometheus"
SCALE = 60
FLEET = """\
version: 1
fleet: live
services:
  llm:
    engine: vllm
    pages: ["http://127.0.0.1:{page}/metrics"]
    models: {{words: {{objectives: [available]}}}}
objectives:
  available: {{sli: availability, target: 99, window: 30d}}
devices:
  - match: {{kind: cpu}}
    price: {{usd_per_hour: 0.20, kind: on_demand, source: list, as_of: 2026-10-01}}
receivers:
  a: {{webhook: {{url: "http://127.0.0.1:9/alerts"}}}}
routes: {{page: a, ticket: a}}
"""


class Watched:
    """Both programs, until they are closed.

    Args:
        folder: for what they write.
        page: port of the engine's page.
    """

    def __init__(self, folder: Path, page: int) -> None:
        assert PROMETHEUS.is_file(), "prometheus is missing; run `make tools`"
        self.otlp, self.api, metrics, self._port = (free_port() for _ in range(4))
        self.page = page
        self._folder = folder
        (folder / "fleet.yaml").write_text(FLEET.format(page=page))
        made = folder / "made"
        inferometer = [sys.executable, "-m", "inferometer_compose"]
        generate = [*inferometer, "generate", f"--config={folder}/fleet.yaml", f"--out={made}", f"--time-scale={SCALE}"]
        subprocess.run(generate, check=True, stdout=subprocess.DEVNULL)
        (made / "prometheus/targets/inferometer.json").write_text(json.dumps([{"targets": [f"127.0.0.1:{metrics}"]}]))
        self._running = [
            self._start(
                "sidecar", *inferometer, "sidecar", f"--socket={folder}/s.sock", f"--metrics=127.0.0.1:{metrics}",
                f"--api=127.0.0.1:{self.api}", f"--state={folder}/state", f"--thresholds={made}/thresholds.json",
                f"--otlp-grpc=127.0.0.1:{self.otlp}", "--otlp-http=off", "--gpu=off",
            ),
            self._start(
                "prometheus", str(PROMETHEUS), f"--config.file={made}/prometheus/prometheus.yml",
                f"--storage.tsdb.path={folder}/data", f"--web.listen-address=127.0.0.1:{self._port}",
                "--enable-feature=exemplar-storage", "--log.level=warn",
            ),
        ]  # fmt: skip

    def _start(self, name: str, *command: str) -> subprocess.Popen[bytes]:
        environ = {key: value for key, value in os.environ.items() if not key.startswith(("INFEROMETER_", "OTEL_"))}
        with (self._folder / f"{name}.log").open("wb") as log:
            return subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=environ)

    def ask(self, query: str) -> list[dict]:
        """The result of an instant query; empty while Prometheus does not answer."""
        url = f"http://127.0.0.1:{self._port}/api/v1/query?{urlencode({'query': query})}"
        try:
            return web.get_json(url, timeout_seconds=20)["data"]["result"]
        except AnswerError:
            return []

    def until(self, query: str, seconds: float) -> list[dict]:
        """The first result of a query that is not empty.

        Raises:
            AssertionError: there was none for so many seconds.
        """
        deadline = time.monotonic() + seconds
        while not (found := self.ask(query)):
            assert time.monotonic() < deadline, f"{query}: nothing\n{self.log()}"
            time.sleep(0.5)
        return found

    def requests(self, service: str, number: int, seconds: float) -> list[dict]:
        """So many requests of a service, or more, as the flight recorder has them.

        Raises:
            AssertionError: there were fewer for so many seconds.
        """
        url = f"http://127.0.0.1:{self.api}/api/requests?{urlencode({'service': service, 'n': 50})}"
        deadline = time.monotonic() + seconds
        while True:
            found = []
            with suppress(AnswerError):
                found = web.get_json(url, timeout_seconds=20)["requests"]
            if len(found) >= number:
                return found
            assert time.monotonic() < deadline, f"{len(found)} requests\n{self.log()}"
            time.sleep(0.5)

    def log(self) -> str:
        """What both programs printed."""
        return "\n".join((self._folder / f"{name}.log").read_text()[-2000:] for name in ("sidecar", "prometheus"))

    def close(self) -> None:
        """End both."""
        for process in self._running:
            process.terminate()
        for process in self._running:
            with suppress(subprocess.TimeoutExpired):
                process.wait(30)
            process.kill()
            process.wait()
