"""A Thanos that takes what Prometheus writes, and one that answers questions over it."""

import json
import subprocess
import urllib.error
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

from free_ports import free_port

from inferometer_alerts.prometheus import HA_LABEL

PROGRAM = Path(__file__).parents[2] / ".tools/bin/thanos"
MAX_EXEMPLARS = 10_000


class Thanos:
    """Receiver and querier, until they are closed."""

    def __init__(self, folder: Path) -> None:
        assert PROGRAM.exists(), f"{PROGRAM} is missing; run `make tools`"
        folder.mkdir()
        self.write = f"127.0.0.1:{free_port()}"
        self._asked = f"127.0.0.1:{free_port()}"
        store = f"127.0.0.1:{free_port()}"
        self._log = (folder / "log").open("w")
        self._processes = [
            self._started(
                "receive", f"--tsdb.path={folder}/data", f"--remote-write.address={self.write}",
                f"--grpc-address={store}", f"--http-address=127.0.0.1:{free_port()}", '--label=receiver="one"',
                f"--tsdb.max-exemplars={MAX_EXEMPLARS}",
            ),
            self._started(
                "query", f"--http-address={self._asked}", f"--grpc-address=127.0.0.1:{free_port()}",
                f"--endpoint={store}", f"--query.replica-label={HA_LABEL}", "--query.replica-label=receiver",
            ),
        ]  # fmt: skip

    def _started(self, *arguments: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen([PROGRAM, *arguments, "--log.level=warn"], stderr=self._log)

    def ask(self, path: str, **parameters: object) -> Any:
        """What ``/api/v1/…`` answers; None while it does not."""
        try:
            with urlopen(f"http://{self._asked}/api/v1/{path}?{urlencode(parameters)}", timeout=30) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise AssertionError(error.read().decode()) from error
        except OSError:
            return None

    def values(self, query: str, *, by: str, deduplicated: bool = True) -> dict[str, float]:
        """The value of each series of an instant query, by one of its labels; duplicates are merged or are not."""
        found = self.ask("query", query=query, dedup=str(deduplicated).lower()) or {"result": []}
        return {series["metric"].get(by, ""): float(series["value"][1]) for series in found["result"]}

    def close(self) -> None:
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            process.wait(20)
        self._log.close()
