"""A real Prometheus that takes samples of the past, and questions to it."""

import json
import socket
import subprocess
import time
from http.client import HTTPConnection
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import urlencode

PROGRAM: Final = Path(__file__).parents[2] / ".tools/bin/prometheus"
_CONFIGURATION: Final = """
global: {scrape_interval: 1h}
storage:
  tsdb: {out_of_order_time_window: 30d}
  exemplars: {max_exemplars: 100000}
"""
"""Recorded series are written after those that they were made of: samples may be older than the newest one."""
_OK: Final = 200
_READY_SECONDS: Final = 30.0


class PromQlError(Exception):
    """Prometheus does not take a query."""


class Server:
    """Runs from `__enter__` to `__exit__`, in a folder of its own.

    Raises:
        FileNotFoundError: the program was not built: ``make tools``.
    """

    def __init__(self, folder: Path, program: Path = PROGRAM) -> None:
        if not program.exists():
            raise FileNotFoundError(f"{program} is missing; run `make tools`")
        self._folder, self._program = folder, program
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._connection = HTTPConnection("127.0.0.1", self.port, timeout=60)
        self.asked = 0
        """Questions so far."""

    def __enter__(self) -> Self:
        (self._folder / "prometheus.yml").write_text(_CONFIGURATION)
        self._log = (self._folder / "log").open("w")
        self._process = subprocess.Popen(  # noqa: S603 - the program that we built
            [
                str(self._program), f"--config.file={self._folder}/prometheus.yml",
                f"--storage.tsdb.path={self._folder}/data", f"--web.listen-address=127.0.0.1:{self.port}",
                "--web.enable-remote-write-receiver", "--enable-feature=exemplar-storage", "--log.level=warn",
            ],
            stderr=self._log,
            cwd=self._folder,
        )  # fmt: skip
        deadline = time.monotonic() + _READY_SECONDS
        while not self._ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise FileNotFoundError((self._folder / "log").read_text()[-2000:])
            time.sleep(0.05)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()
        self._process.terminate()
        self._process.wait(20)
        self._log.close()

    def _ready(self) -> bool:
        try:
            self._connection.request("GET", "/-/ready")
            answer = self._connection.getresponse()
            answer.read()
        except OSError:
            self._connection.close()
            return False
        return answer.status == _OK

    def ask(self, path: str, parameters: list[tuple[str, str]]) -> Any:
        """What the API answers.

        Raises:
            PromQlError: the query is wrong.
        """
        self.asked += 1
        body = urlencode(parameters)
        try:
            answer = self._answer(path, body)
        except ConnectionError:
            # Prometheus closes a connection that was idle for long, as while a slow machine makes the history.
            self._connection.close()
            answer = self._answer(path, body)
        if answer["status"] != "success":
            raise PromQlError(f"{answer['error']}: {dict(parameters).get('query', path)}")
        return answer["data"]

    def _answer(self, path: str, body: str) -> Any:
        if path.startswith("label/"):
            self._connection.request("GET", f"/api/v1/{path}?{body}")
        else:
            headers = {"Content-Type": "application/x-www-form-urlencoded"}
            self._connection.request("POST", f"/api/v1/{path}", body, headers)
        return json.load(self._connection.getresponse())

    def instant(self, query: str, at: float) -> list[dict[str, Any]]:
        """The result of an instant query: ``metric`` and ``value``, or ``histogram``, of each element."""
        data = self.ask("query", [("query", query), ("time", f"{at:.3f}")])
        found: list[dict[str, Any]] = data["result"]
        if data["resultType"] == "scalar":
            return [{"metric": {}, "value": data["result"]}]
        return found

    def range(self, query: str, begin: float, end: float, step: float) -> list[dict[str, Any]]:
        """The result of a range query: ``metric`` and ``values``, or ``histograms``, of each series."""
        times = [("start", f"{begin:.3f}"), ("end", f"{end:.3f}"), ("step", f"{step:g}")]
        found: list[dict[str, Any]] = self.ask("query_range", [("query", query), *times])["result"]
        return found
