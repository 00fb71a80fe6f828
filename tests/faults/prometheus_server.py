"""A real Prometheus, and questions to it."""

import json
import subprocess
import time
import urllib.error
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

from free_ports import free_port

PROGRAM = Path(__file__).parents[2] / ".tools/bin/prometheus"


class Prometheus:
    """Runs with a configuration until it is closed."""

    def __init__(self, folder: Path, configuration: str) -> None:
        assert PROGRAM.exists(), f"{PROGRAM} is missing; run `make tools`"
        folder.mkdir(exist_ok=True)
        (folder / "prometheus.yml").write_text(configuration)
        self._port = free_port()
        self._log = (folder / "log").open("w")
        self._process = subprocess.Popen(
            [
                str(PROGRAM), f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data",
                f"--web.listen-address=127.0.0.1:{self._port}", "--log.level=warn",
            ],
            stderr=self._log,
        )  # fmt: skip

    def ask(self, query: str) -> list[dict[str, Any]] | None:
        """The result of an instant query; None while it does not answer."""
        url = f"http://127.0.0.1:{self._port}/api/v1/query?{urlencode({'query': query})}"
        try:
            with urlopen(url, timeout=30) as answer:
                found: list[dict[str, Any]] = json.load(answer)["data"]["result"]
        except urllib.error.HTTPError as error:
            if error.code == HTTPStatus.SERVICE_UNAVAILABLE:
                return None
            raise AssertionError(error.read().decode()) from error
        except OSError:
            return None
        return found

    def value(self, query: str) -> float | None:
        """The value of a query of one series; None without one."""
        found = self.ask(query)
        return float(found[0]["value"][1]) if found else None

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(20)
        self._log.close()


def eventually(ask: Callable[[], Any], seconds: float = 30.0) -> Any:
    """The first answer that is true, or the last one."""
    deadline = time.monotonic() + seconds
    while not (answer := ask()) and time.monotonic() < deadline:
        time.sleep(0.2)
    return answer
