"""A sidecar, a Prometheus and an Alertmanager that watch an engine as `inferometer generate` says.

An hour of windows is a minute; what Alertmanager sends is kept.
"""

import sys
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlencode

from free_ports import free_port
from prometheus_server import eventually
from told import Receivers, served

from inferometer.fleet.loader import loads
from inferometer_alerts.addresses import Addresses
from inferometer_alerts.generation import files
from inferometer_compose import web
from inferometer_compose.stack import peers
from inferometer_compose.stack.process import Command, Process, end_all
from inferometer_compose.web import AnswerError

TOOLS = Path(__file__).parents[2] / ".tools/bin"
SCALE = 60
FLEET = """\
version: 1
fleet: live
services:
  llm:
    engine: {engine}
    pages: ["http://127.0.0.1:{page}/metrics"]
    models: {{{model}: {{objectives: [available]}}}}
objectives:
  available: {{sli: availability, target: 99, window: 30d}}
devices:
  - match: {{kind: cpu}}
    price: {{usd_per_hour: 0.20, kind: on_demand, source: list, as_of: 2026-10-01}}
receivers:
  oncall: {{webhook: {{url: "http://127.0.0.1:9/"}}}}
  team: {{webhook: {{url: "http://127.0.0.1:9/"}}}}
routes: {{page: oncall, ticket: team}}
"""


class Watched:
    """All three programs, until they are closed.

    Args:
        folder: for what they write.
        page: port of the engine's page.
        engine: which one.
        model: what it serves.
    """

    def __init__(self, folder: Path, page: int, *, engine: str = "vllm", model: str = "words") -> None:
        for program in ("prometheus", "alertmanager"):
            assert (TOOLS / program).is_file(), f"{program} is missing; run `make tools`"
        self.told = Receivers()
        self._inbox = served(bytes, self.told.take)
        self.otlp, self.otlp_http, self.api, metrics, self._port, alertmanager = (free_port() for _ in range(6))
        self.page = page
        self._folder = folder
        made = folder / "made"
        here = Addresses(
            sidecars=(f"127.0.0.1:{metrics}",),
            prometheus=f"127.0.0.1:{self._port}",
            alertmanager=f"127.0.0.1:{alertmanager}",
            inbox=f"127.0.0.1:{self._inbox.server_port}",
        )
        fleet = loads(FLEET.format(page=page, engine=engine, model=model))
        for name, content in files(fleet, time_scale=SCALE, addresses=here).items():
            (made / name).parent.mkdir(parents=True, exist_ok=True)
            (made / name).write_bytes(content)
        self._running = [
            self._start(
                Command(
                    "sidecar",
                    [
                        sys.executable, "-m", "inferometer_compose", "sidecar", f"--socket={folder}/s.sock",
                        f"--metrics=127.0.0.1:{metrics}", f"--api=127.0.0.1:{self.api}", f"--state={folder}/state",
                        f"--thresholds={made}/thresholds.json", f"--otlp-grpc=127.0.0.1:{self.otlp}",
                        f"--otlp-http=127.0.0.1:{self.otlp_http}", "--gpu=off",
                    ],
                    {},
                )
            ),
            self._start(
                peers.alertmanager(
                    TOOLS / "alertmanager", port=alertmanager, config=made / "alertmanager/alertmanager.yml",
                    data=folder / "alertmanager-data", time_scale=SCALE,
                )
            ),
            self._start(
                peers.prometheus(
                    TOOLS / "prometheus", port=self._port, config=made / "prometheus/prometheus.yml",
                    data=folder / "data", time_scale=SCALE,
                )
            ),
        ]  # fmt: skip

    def _start(self, command: Command) -> Process:
        return Process(command, self._folder)

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
        found = eventually(lambda: self.ask(query), seconds)
        assert found, f"{query}: nothing\n{self.log()}"
        return found

    def requests(self, service: str, number: int, seconds: float) -> list[dict]:
        """So many requests of a service, or more, as the flight recorder has them.

        Raises:
            AssertionError: there were fewer for so many seconds.
        """
        url = f"http://127.0.0.1:{self.api}/api/requests?{urlencode({'service': service, 'n': 50})}"

        def enough() -> list[dict]:
            with suppress(AnswerError):
                found = web.get_json(url, timeout_seconds=20)["requests"]
                return found if len(found) >= number else []
            return []

        found = eventually(enough, seconds)
        assert found, f"fewer than {number} requests\n{self.log()}"
        return found

    def until_told(self, receiver: str, seconds: float, **labels: str) -> list[dict]:
        """What Alertmanager told a receiver of alerts with these labels, the first message first.

        Raises:
            AssertionError: it told nothing for so many seconds.
        """
        found = eventually(lambda: self.told.of(receiver, **labels), seconds)
        assert found, f"{receiver} was told nothing of {labels}\n{self.log()}"
        return [alert for _, alert in found]

    def log(self) -> str:
        """What all of them printed."""
        return "\n".join(process.last_lines() for process in self._running)

    def close(self) -> None:
        """End all of them."""
        end_all(self._running, within_seconds=30)
        self._inbox.shutdown()
        self._inbox.server_close()
