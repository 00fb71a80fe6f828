"""A load of which everything is known, on servers that nobody instrumented, and what their pages must say of it.

The client measures every request from outside, the model says by itself how long it takes at least. So of each
boundary of an engine's histogram two things are known: at least those requests are below it that the client saw so
quick, at most those that the model could have been so quick with.
"""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http import HTTPStatus
from urllib.request import urlopen

from inferometer.catalog import requests
from inferometer.catalog.stages import Stage
from inferometer_exporters.engines.reading import Reading, Value, read

FLOWER = [5.1, 3.5, 1.4, 0.2]
QUICK, SLOW, LEFT = 0.02, 0.15, 1.0
"""Seconds that the model takes: of most requests, of some, and of one whose client does not wait."""
QUICK_ONES, SLOW_ONES, BROKEN, WRONG = 20, 6, 3, 2
TOGETHER = 4
EXECUTE = f'{requests.STAGE_DURATION.name}{{stage="{Stage.EXECUTE.label}"}}'


@dataclass
class Seen:
    """What the client saw."""

    answers: list[tuple[int, float]]
    """Status and seconds of each."""

    @property
    def statuses(self) -> list[int]:
        """Of all answers."""
        return [status for status, _ in self.answers]

    @property
    def seconds(self) -> list[float]:
        """Of the good answers."""
        return [seconds for status, seconds in self.answers if status == HTTPStatus.OK]

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
    return Seen(answers)


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


def holds_what_the_client_saw(
    value: Value, seen: Seen, *, left: int, failed: int = 0, stops_after: float = 0.0
) -> None:
    """A histogram of times between what the model took at least and what the client waited.

    Args:
        left: answers that nobody read, but the engine observed.
        failed: calls that raised at once, and the engine observed.
        stops_after: seconds by which the engine's clock may stop after its client has the answer.
    """
    least = [QUICK] * QUICK_ONES + [SLOW] * SLOW_ONES + [LEFT] * left + [0.0] * failed
    assert value.count == len(least)
    assert value.buckets
    for bound, number in value.buckets:
        assert number >= sum(seconds + stops_after <= bound for seconds in seen.seconds), bound
        assert number <= sum(seconds <= bound for seconds in least), bound


def adds_up(value: Value, seen: Seen, *, left: int) -> None:
    """A sum of times between what the model took at least and what the client waited."""
    least = QUICK * QUICK_ONES + SLOW * SLOW_ONES + LEFT * left
    assert least <= value.sum <= sum(seconds for _, seconds in seen.answers) + left * 3 * LEFT


def only(found: Reading, name: str) -> Value:
    (value,) = found.signals[name]
    return value


def mean_holds(value: Value, seen: Seen, *, left: int, failed: int = 0) -> None:
    """A sum and a count of times between what the model took at least and what the client waited."""
    assert value.count == QUICK_ONES + SLOW_ONES + left + failed
    assert value.buckets == ()
    assert value.quality == "mean_only"
    adds_up(value, seen, left=left)
