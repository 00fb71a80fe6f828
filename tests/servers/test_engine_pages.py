"""Pages of real servers that nobody instrumented, under a load that is known: what is read off them is what happened.

The client measures every request from outside, the model says by itself how long it takes at least. So of each
boundary of an engine's histogram two things are known: at least those requests are below it that the client saw so
quick, at most those that the model could have been so quick with.
"""

import json
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from urllib.request import urlopen

import pytest

from inferometer.catalog import engines, requests
from inferometer.catalog.stages import Stage
from inferometer_exporters.engines.reading import Reading, Value, read

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

FLOWER = [5.1, 3.5, 1.4, 0.2]
QUICK, SLOW, LEFT = 0.02, 0.15, 1.0
"""Seconds that the model takes: of most requests, of some, and of one whose client does not wait."""
QUICK_ONES, SLOW_ONES, BROKEN, WRONG = 20, 6, 3, 2
TOGETHER = 4
EXECUTE = f'{requests.STAGE_DURATION.name}{{stage="{Stage.EXECUTE.label}"}}'


@pytest.fixture
def port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


@dataclass
class Seen:
    """What the client saw."""

    statuses: list[int]
    seconds: list[float]
    """Of the good answers."""

    def of(self, status: int) -> int:
        return self.statuses.count(status)


def drive(server, path: str, body: Callable[[object], object]) -> Seen:
    """Good requests of two kinds, calls that raise, wrong input, and a client that goes away."""

    def ask(row):
        begun = time.perf_counter()
        status = server.ask(path, body(row))[0]
        return status, time.perf_counter() - begun

    rows = [[*FLOWER, QUICK]] * QUICK_ONES + [[*FLOWER, SLOW]] * SLOW_ONES + [[1.0]] * BROKEN + ["wrong"] * WRONG
    with ThreadPoolExecutor(TOGETHER) as threads:
        answers = list(threads.map(ask, rows))
    server.leave(path, body([*FLOWER, LEFT]))
    return Seen([status for status, _ in answers], [seconds for status, seconds in answers if status == 200])


def reading_of(port: int, engine: str, enough: Callable[[Reading], bool], path: str = "/metrics") -> Reading:
    """What the page says as soon as it knows of all requests: some servers tell late."""
    deadline = time.monotonic() + 60
    while True:
        with urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
            found = read(answer.read())
        if enough(found):
            assert found.engine == engine
            assert found.unknown == []
            return found
        assert time.monotonic() < deadline, {name: found.signals[name] for name in found.signals}
        time.sleep(0.2)


def ends(found: Reading) -> dict[str, float]:
    """Requests by how they ended, those of all models together."""
    numbers: dict[str, float] = {}
    for value in found.signals.get(requests.REQUESTS.name, ()):
        outcome = value.labels["outcome"]
        numbers[outcome] = numbers.get(outcome, 0) + (value.value or 0)
    return {outcome: number for outcome, number in numbers.items() if number}


def all_told(number: int) -> Callable[[Reading], bool]:
    return lambda found: sum(ends(found).values()) >= number


def holds_what_the_client_saw(value: Value, seen: Seen, *, left: int, failed: int = 0) -> None:
    """A histogram of times between what the model took at least and what the client waited.

    Args:
        left: answers that nobody read, but the engine observed.
        failed: calls that raised at once, and the engine observed.
    """
    least = [QUICK] * QUICK_ONES + [SLOW] * SLOW_ONES + [LEFT] * left + [0.0] * failed
    assert value.count == len(least)
    assert value.buckets
    for bound, number in value.buckets:
        assert number >= sum(seconds <= bound for seconds in seen.seconds), bound
        assert number <= sum(seconds <= bound for seconds in least), bound


def adds_up(value: Value, seen: Seen, *, left: int) -> None:
    """A sum of times between what the model took at least and what the client waited."""
    least = QUICK * QUICK_ONES + SLOW * SLOW_ONES + LEFT * left
    assert least <= value.sum <= sum(seen.seconds) + left * 3 * LEFT


def only(found: Reading, name: str) -> Value:
    (value,) = found.signals[name]
    return value


def test_bentoml_counts_by_status_and_a_client_that_left_as_answered(start):
    server = start(
        "bentoml", "bentoml", "serve", "plain_bento:Iris", "--host", "127.0.0.1", "--port", "{port}", ready="/livez",
        BENTOML_DO_NOT_TRACK="true", BENTOML_HOME="{folder}/bento",
    )  # fmt: skip
    seen = drive(server, "/classify", lambda row: {"row": row})
    found = reading_of(server.port, "bentoml", all_told(len(seen.statuses) + 1))
    duration = only(found, requests.REQUEST_DURATION.name)

    assert (seen.of(200), seen.of(500), seen.of(400)) == (QUICK_ONES + SLOW_ONES, BROKEN, WRONG)
    assert ends(found) == {"ok": seen.of(200) + 1, "server_error": seen.of(500), "client_error": seen.of(400)}
    holds_what_the_client_saw(duration, seen, left=1)
    adds_up(duration, seen, left=1)
    assert duration.labels == {"model": "Iris"}
    assert only(found, requests.IN_FLIGHT.name).value == 0


def test_mlserver_takes_every_failure_for_its_own_and_a_client_that_left_for_answered(start, port, tmp_path):
    (tmp_path / "iris").mkdir()
    settings = {"name": "iris", "implementation": "plain_mlserver.Iris"}
    (tmp_path / "iris" / "model-settings.json").write_text(json.dumps(settings))
    server = start(
        "mlserver", "mlserver", "start", str(tmp_path), ready="/v2/models/iris/ready", MLSERVER_HOST="127.0.0.1",
        MLSERVER_HTTP_PORT="{port}", MLSERVER_METRICS_PORT=str(port), MLSERVER_PARALLEL_WORKERS="0",
        MLSERVER_GRPC_PORT="0", MLSERVER_ENVIRONMENTS_DIR="{folder}/envs",
    )  # fmt: skip

    def body(row):
        return {"inputs": [{"name": "row", "shape": [len(row)], "datatype": "FP64", "data": row}]}

    seen = drive(server, "/v2/models/iris/infer", body)
    found = reading_of(port, "mlserver", all_told(len(seen.statuses) + 1))
    duration = only(found, requests.REQUEST_DURATION.name)

    assert (seen.of(200), seen.of(500)) == (QUICK_ONES + SLOW_ONES, BROKEN + WRONG)
    assert ends(found) == {"ok": seen.of(200) + 1, "server_error": seen.of(500)}
    assert {value.labels["model"] for value in found.signals[requests.REQUESTS.name]} == {"iris"}
    holds_what_the_client_saw(duration, seen, left=1)
    adds_up(duration, seen, left=1)


def test_kserve_tells_of_answers_and_stages_and_of_no_failure(start):
    server = start("kserve", "{python}", "plain_kserve.py", "{port}", ready="/v1/models/iris")
    seen = drive(server, "/v1/models/iris:predict", lambda row: {"instances": [row]})
    found = reading_of(server.port, "kserve", all_told(seen.of(200) + 1))

    assert (seen.of(200), seen.of(500)) == (QUICK_ONES + SLOW_ONES, BROKEN + WRONG)
    assert ends(found) == {"ok": seen.of(200) + 1}
    assert only(found, requests.REQUESTS.name).quality == "lower_bound"
    assert requests.REQUEST_DURATION.name in found.missing
    holds_what_the_client_saw(only(found, EXECUTE), seen, left=1, failed=seen.of(500))
    adds_up(only(found, EXECUTE), seen, left=1)


def test_litserve_has_no_page(start):
    server = start("bentoml", "{python}", "plain_lit.py", "{port}", ready="/health")
    seen = drive(server, "/predict", lambda row: {"row": row})

    assert (seen.of(200), seen.of(500)) == (QUICK_ONES + SLOW_ONES, BROKEN + WRONG)
    assert server.ask("/metrics")[0] == 404


def test_ray_serve_counts_by_status_a_client_that_left_as_such_and_makes_up_no_sum(start, port):
    server = start(
        "ray", "{python}", "serve_ray.py", "{port}", "{folder}", "plain_ray", ready="everything runs",
        METRICS_PORT=str(port), RAY_metrics_report_interval_ms="500",
    )  # fmt: skip
    seen = drive(server, "/iris", lambda row: {"row": row})
    found = reading_of(port, "ray-serve", all_told(len(seen.statuses) + 1))
    duration = only(found, requests.REQUEST_DURATION.name)

    assert (seen.of(200), seen.of(500)) == (QUICK_ONES + SLOW_ONES, BROKEN + WRONG)
    assert ends(found) == {"ok": seen.of(200), "server_error": seen.of(500), "cancelled": 1}
    assert found.version_from == "page"
    holds_what_the_client_saw(duration, seen, left=0)
    assert duration.sum is None
    assert {value.labels["model"] for value in found.signals[engines.RUNNING.name]} == {"Iris"}
