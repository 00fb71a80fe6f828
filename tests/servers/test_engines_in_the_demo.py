"""The demo with a Ray Serve and an MLServer that are in its fleet.yaml and nowhere else: the same series, boards,
promises and alerts as of services that are instrumented, from servers that know nothing of it.
"""

import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlencode

import pytest
from free_ports import free_port

from boards.grafana_variables import Range, filled, references, resolved
from boards.targets import targets
from inferometer.catalog import engines, requests
from inferometer_alerts import recorded_slos
from inferometer_alerts.rule import Board
from inferometer_compose import web

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples/engines"
TOOLS = ROOT / ".tools/bin"
SECONDS = 40
FAILING, GONE = (8.0, 16.0), 24.0
"""Seconds of the run: when half of what Ray Serve is asked fails, and when MLServer goes."""
FLOWER = [5.1, 3.5, 1.4, 0.2]
PROGRAM = """
from inferometer_compose.stack import ports
# A demo of somebody else on this host may take the usual ports between our look and our use.
ports.is_free = lambda _: False
from inferometer_compose.cli import main
main()
"""
ENGINES = {"flowers", "iris"}
INSTRUMENTED = {"gateway", "embedder", "classifier", "listener"}


class Client:
    """Asks both servers ten times a second, and counts what they answer."""

    def __init__(self, ray, mlserver) -> None:
        self.answers = Counter()
        self._failing, self._over = threading.Event(), threading.Event()
        questions = (
            ("flowers", ray.port, "/", self._of_ray),
            ("iris", mlserver.port, "/v2/models/iris/infer", _tensor),
        )
        self._threads = [threading.Thread(target=self._ask, args=question, daemon=True) for question in questions]
        for thread in self._threads:
            thread.start()

    def fail(self, *, on: bool) -> None:
        (self._failing.set if on else self._failing.clear)()

    def end(self) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(30)

    def _of_ray(self, number: int) -> dict[str, object]:
        return {"row": FLOWER[:1] if number % 2 and self._failing.is_set() else FLOWER}

    def _ask(self, name, port, path, body) -> None:
        number = 0
        while not self._over.wait(0.1):
            number += 1
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
            with suppress(OSError, http.client.HTTPException):
                connection.request("POST", path, json.dumps(body(number)), {"content-type": "application/json"})
                answer = connection.getresponse()
                answer.read()
                self.answers[name, answer.status] += 1
            connection.close()


def _tensor(_: int) -> dict[str, object]:
    return {"inputs": [{"name": "row", "shape": [len(FLOWER)], "datatype": "FP64", "data": FLOWER}]}


def _demo(folder: Path, fleet: Path) -> subprocess.Popen[str]:
    (folder / ".tools").mkdir()
    (folder / ".tools/bin").symlink_to(TOOLS)
    command = [
        sys.executable, "-c", PROGRAM, "demo", "--for", f"{SECONDS}s", "--rate", "5", "--json", "--keep",
        "--config", str(fleet),
    ]  # fmt: skip
    environ = {**os.environ, "PYTHONUNBUFFERED": "1"}
    return subprocess.Popen(command, cwd=folder, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.fixture(scope="module")
def run(start, tmp_path_factory):
    """One run: what it printed, where its Prometheus is, and what the client saw."""
    for program in ("prometheus", "alertmanager"):
        if not (TOOLS / program).is_file():
            pytest.fail(f"{program} is missing; run `make tools`")
    folder = tmp_path_factory.mktemp("engines")
    ports = SimpleNamespace(ray=free_port(), mlserver=free_port())
    ray = start(
        "ray", "{python}", "serve_ray.py", "{port}", "{folder}", "plain_ray_flowers", ready="everything runs",
        METRICS_PORT=str(ports.ray), RAY_metrics_report_interval_ms="500",
        PYTHONPATH=f"{ROOT / 'tests/servers'}:{EXAMPLE}",
    )  # fmt: skip
    shutil.copytree(EXAMPLE / "iris", folder / "iris", ignore=shutil.ignore_patterns("__pycache__"))
    mlserver = start(
        "mlserver", "mlserver", "start", str(folder / "iris"), ready="/v2/models/iris/ready",
        MLSERVER_HOST="127.0.0.1", MLSERVER_HTTP_PORT="{port}", MLSERVER_METRICS_PORT=str(ports.mlserver),
        MLSERVER_PARALLEL_WORKERS="0", MLSERVER_GRPC_PORT="0", MLSERVER_ENVIRONMENTS_DIR="{folder}/envs",
    )  # fmt: skip
    text = (EXAMPLE / "fleet.yaml").read_text()
    assert "127.0.0.1:8090" in text
    assert "127.0.0.1:8082" in text
    fleet = folder / "fleet.yaml"
    fleet.write_text(text.replace(":8090", f":{ports.ray}").replace(":8082", f":{ports.mlserver}"))
    client = Client(ray, mlserver)
    demo = _demo(folder, fleet)
    said: list[str] = []
    runs = threading.Event()
    reading = threading.Thread(target=_read, args=(demo.stderr, said, runs), daemon=True)
    reading.start()
    try:
        assert runs.wait(120), "the demo's load did not begin"
        _play(client, mlserver)
        printed = json.loads(_document(demo.stdout))
        made = next(folder.glob("demo-*"))
        yield SimpleNamespace(printed=printed, prometheus=printed["urls"]["prometheus"], folder=made, client=client)
    except BaseException:
        sys.stderr.write("".join(said))
        raise
    finally:
        client.end()
        demo.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            demo.wait(30)
        demo.kill()
        demo.wait()
        reading.join(10)
        demo.stdout.close()
        demo.stderr.close()


def _read(stderr, said, runs) -> None:
    """Keep what is printed; the first line of progress says that the load has begun."""
    for line in stderr:
        said.append(line)
        if "━" in line or "╺" in line:
            runs.set()


def _play(client, mlserver) -> None:
    began = time.monotonic()
    time.sleep(FAILING[0])
    client.fail(on=True)
    time.sleep(max(began + FAILING[1] - time.monotonic(), 0))
    client.fail(on=False)
    time.sleep(max(began + GONE - time.monotonic(), 0))
    mlserver.stop()


def _document(stdout) -> str:
    """The JSON object that is printed, up to its last brace."""
    lines = []
    for line in stdout:
        lines.append(line)
        if line.rstrip("\n") == "}":
            break
    return "".join(lines)


def ask(run, query: str) -> list[dict]:
    return web.get_json(f"{run.prometheus}/api/v1/query?{urlencode({'query': query})}")["data"]["result"]


def services(run, query: str) -> set[str]:
    return {one["metric"].get("service", "") for one in ask(run, query)}


@pytest.mark.parametrize(
    "series",
    [requests.REQUESTS.name, f"{requests.REQUEST_DURATION.name}_bucket", f"{requests.REQUEST_DURATION.name}_count"],
)
def test_servers_of_others_and_our_own_are_in_the_same_series(run, series):
    found = services(run, f"last_over_time({series}[2m])")

    assert found >= ENGINES | INSTRUMENTED


def test_what_the_client_was_answered_is_what_is_counted(run):
    counted = {
        (one["metric"]["service"], one["metric"]["outcome"]): float(one["value"][1])
        for one in ask(run, f'last_over_time({requests.REQUESTS.name}{{service=~"flowers|iris"}}[2m])')
    }
    answers = run.client.answers

    # The client asked before the demo was up, and goes on: what is counted is no more than it saw.
    assert 0 < counted["flowers", "ok"] <= answers["flowers", HTTPStatus.OK]
    assert counted["flowers", "server_error"] == answers["flowers", HTTPStatus.INTERNAL_SERVER_ERROR] > 0
    # MLServer is gone: it answered once after it was read last, at most twenty times.
    assert answers["iris", HTTPStatus.OK] - 20 <= counted["iris", "ok"] <= answers["iris", HTTPStatus.OK]


def test_the_report_has_them_in_its_tables(run):
    models, promises = run.printed["models"], {one["slo"]: one for one in run.printed["objectives"]}

    assert {models[name]["service"] for name in ENGINES} == ENGINES
    assert all(models[name]["by_buckets"] and models[name]["requests"] > 50 for name in ENGINES)
    assert 0 < models["flowers"]["p50_seconds"] <= models["flowers"]["p99_seconds"]
    assert models["minilm@v1"]["by_buckets"] is False
    failed = promises["flowers-flowers-available"]
    assert failed["bad"] == run.client.answers["flowers", HTTPStatus.INTERNAL_SERVER_ERROR]
    assert failed["spent_ratio"] > 1
    assert promises["iris-iris-available"]["bad"] == 0
    assert promises["iris-iris-swift"]["good"] > 50


def test_their_promises_are_watched_by_the_same_rules(run):
    slos = {one["metric"]["slo"] for one in ask(run, f"last_over_time({recorded_slos.SLO_INFO.name}[2m])")}
    burns = f'{{__name__=~"{recorded_slos.burn_rate("1h").name.removesuffix("1h")}.*"}}'
    watched = {one["metric"]["slo"] for one in ask(run, f"last_over_time({burns}[2m])")}

    of_engines = {"flowers-flowers-available", "flowers-flowers-prompt", "iris-iris-available", "iris-iris-swift"}
    assert slos >= of_engines | {"embedder-minilm-available"}
    assert watched >= of_engines


class Asked:
    """The demo's Prometheus, as boards ask it."""

    def __init__(self, url: str) -> None:
        self.url = url

    def ask(self, path: str, parameters: list[tuple[str, str]]) -> object:
        return web.get_json(f"{self.url}/api/v1/{path}?{urlencode(parameters)}", timeout_seconds=20)["data"]


def panels_of(run, service: str) -> set[str]:
    """Panels, as BOARD / PANEL, that have something to show when this service is chosen."""
    server, now = Asked(run.prometheus), time.time()
    over = Range(begin=now - 60, end=now, scrape=1)
    times = [("start", f"{over.begin:.3f}"), ("end", f"{over.end:.3f}"), ("step", "5")]
    shown = set()
    for file in sorted((run.folder / "config/grafana/dashboards").glob("*.json")):
        document = json.loads(file.read_text())
        variables = resolved(document, server, over)
        for target in targets(document):
            if "service" in references(target.expr) and not target.panel.startswith("annotation"):
                query = filled(target.expr, variables, {"service": service}, over)
                if server.ask("query_range", [("query", query), *times])["result"]:
                    shown.add(f"{target.board} / {target.panel}")
    return shown


def test_boards_show_them_where_they_show_our_own(run):
    ours, theirs = panels_of(run, "embedder"), panels_of(run, "flowers")
    both = ours & theirs

    assert len(both) >= 25, sorted(both)
    for board in (Board.FLEET, Board.MODEL, Board.QUEUES, Board.SLO):
        assert len([panel for panel in both if panel.startswith(board.value)]) >= 4, (board, sorted(both))


def test_failures_of_a_server_of_others_page_like_our_own(run):
    pages = [one for one in run.printed["alerts"] if one["slo"] == "flowers-flowers-available"]

    assert {one["name"] for one in pages} >= {"InferenceBudgetBurnPage"}
    first = min(pages, key=lambda one: one["fired_at"])
    assert FAILING[0] < first["fired_at"] <= first["received_at"]
    assert not [one for one in run.printed["alerts"] if one["slo"] == "iris-iris-available"]


def test_an_engine_that_is_gone_pages_by_its_own_series(run):
    pages = [one for one in run.printed["alerts"] if (one["name"], one["about"]) == ("InferenceEngineDown", "iris")]
    (page,) = [one for one in pages if one["fired_at"] > GONE]

    assert page["severity"] == "page"
    assert page["fired_at"] <= page["received_at"]
    assert ask(run, f'{engines.UP.name}{{service="iris"}} == 0')
