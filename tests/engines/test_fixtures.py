"""What captured pages of real servers say: equal to what was read off them by hand, line by line."""

import csv
import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from inferometer.catalog.engines import SIGNALS
from inferometer.catalog.labels import REPLICA
from inferometer.errors import SourceError
from inferometer_exporters.engines.reading import Reading, Value, read

PAGES = Path(__file__).parents[1] / "data" / "engines"
OTHERWISE = {
    "nvidia-nim": "nim",
    "vllm-production-stack-router": "production-stack",
    "dynamo/dynamo-1.6.1-worker-mocker": "dynamo-worker",
    "dynamo/dynamo-1.6.1-worker-mocker-scrape2": "dynamo-worker",
}
"""Engine of a folder or a page that is not called as the engine is."""
OF_A_USER = "litserve"
"""LitServe tells nothing itself: its page is what a user's logger wrote."""
VERSIONS = {
    "ray-serve/ray-serve-2.60.0": ("2.60.0", "page"),
    "vllm/vllm-0.4.3-datadog": ("<0.5", "names"),
    "vllm/vllm-0.8.5-v0-cpu": (">=0.5 <0.9", "names"),
    "vllm/vllm-0.9.2-cpu": (">=0.9 <0.12", "names"),
    "vllm/vllm-0.12.0-cpu": (">=0.12", "names"),
    "bentoml/bentoml-1.4.39": ("", "unknown"),
}
CUMULATIVE = {signal.name for signal in SIGNALS if signal.entry.kind in {"counter", "histogram"}}
REL = 1e-12
"""Sums of the same numbers in another order."""


@dataclass(frozen=True)
class Row:
    """A line of a hand-read table."""

    signal: str
    labels: str
    part: str
    value: str
    lines: str
    factor: str


def pages() -> list[str]:
    found = (str(path.relative_to(PAGES).with_suffix("")) for path in PAGES.glob("*/*.prom"))
    return sorted(page for page in found if not page.startswith(OF_A_USER))


def again() -> list[str]:
    return [page for page in pages() if f"{page}-scrape2" in pages()]


def table(page: str) -> list[Row]:
    with (PAGES / f"{page}.values.tsv").open(newline="") as file:
        return [Row(**row) for row in csv.DictReader(file, delimiter="\t")]


@cache
def served(page: str) -> bytes:
    return (PAGES / f"{page}.prom").read_bytes()


@cache
def reading(page: str) -> Reading:
    return read(served(page))


def parts(value: Value):
    """(part, number) of what a series says, as the tables call them."""
    if value.value is not None:
        yield "value", value.value
        return
    yield "count", value.count
    if value.sum is not None:
        yield "sum", value.sum
    if value.buckets:
        yield "le=inf", value.count
    for bound, number in value.buckets:
        yield bucket(bound), number


def bucket(bound: float) -> str:
    return f"le={bound:.6g}"


def key(labels) -> str:
    return ",".join(f"{name}={value}" for name, value in sorted(labels.items()) if name != REPLICA.name)


def said(page: str, only: Iterable[str] | None = None) -> dict[tuple[str, str, str], float]:
    """Every number of a page by (series, labels, part), of all its replicas together."""
    numbers: dict[tuple[str, str, str], float] = {}
    for name, values in reading(page).signals.items():
        for value in values if only is None or name in only else ():
            for part, number in parts(value):
                at = name.partition("{")[0], key(value.labels), part
                numbers[at] = numbers.get(at, 0) + number
    return numbers


def place(row: Row) -> tuple[str, str, str]:
    """A row by what it is about, as `said` has it."""
    labels = dict(label.split("=", 1) for label in row.labels.split(",") if label)
    bound = row.part.removeprefix("le=")
    return row.signal, key(labels), row.part if bound == row.part else bucket(float(bound))


def added_up(page: str, row: Row) -> float:
    """A row's lines, added up by nothing but their numbers."""
    lines = served(page).decode().split("\n")

    def number(line: str) -> float:
        return float(lines[int(line) - 1].rsplit(None, 1)[1])

    if "/" in row.lines:
        above, below = row.lines.split("/")
        return number(above) / number(below)
    return math.fsum(map(number, row.lines.split("+"))) * float(row.factor)


@pytest.mark.parametrize("page", pages())
def test_a_hand_read_table_adds_up(page):
    rows = table(page)

    assert rows
    assert len({place(row) for row in rows}) == len(rows)
    for row in rows:
        assert float(row.value) == pytest.approx(added_up(page, row), rel=1e-9), row


@pytest.mark.parametrize("page", pages())
def test_a_page_is_read_as_by_hand(page):
    numbers = said(page)

    for row in table(page):
        assert numbers.get(place(row)) == pytest.approx(float(row.value), rel=1e-9), row


@pytest.mark.parametrize("page", pages())
def test_nothing_is_read_off_a_page_that_nobody_read_by_hand(page):
    by_hand = {place(row)[:2] for row in table(page)}

    assert {at[:2] for at in said(page)} == by_hand


@pytest.mark.parametrize("page", pages())
def test_a_page_is_known_by_its_names_and_all_its_own_series_are_accounted_for(page):
    found, folder = reading(page), page.split("/")[0]

    assert found.engine == (OTHERWISE.get(page) or OTHERWISE.get(folder) or folder)
    assert found.unknown == []
    assert set(found.signals) | set(found.missing) == {signal.name for signal in SIGNALS}
    assert all(missing.reason for missing in found.missing.values())


@pytest.mark.parametrize(("page", "version"), VERSIONS.items(), ids=VERSIONS)
def test_the_version_is_the_pages_or_a_range_by_its_names_or_said_to_be_unknown(page, version):
    found = reading(page)

    assert (found.version, found.version_from) == version


@pytest.mark.parametrize("page", again())
def test_totals_rise_from_one_scrape_to_the_next(page):
    first = said(page, CUMULATIVE)
    second = said(f"{page}-scrape2", CUMULATIVE)

    assert set(first) <= set(second)
    assert all(second[at] >= number * (1 - REL) for at, number in first.items())
    assert any(second[at] > number for at, number in first.items())


@pytest.mark.parametrize("page", pages())
def test_buckets_rise_with_their_bounds_and_the_last_is_the_count(page):
    for values in reading(page).signals.values():
        for value in values:
            numbers = [number for _, number in value.buckets]

            assert numbers == sorted(numbers)
            assert not numbers or numbers[-1] <= value.count


def test_a_page_that_a_user_wrote_is_taken_for_no_engines():
    with pytest.raises(SourceError, match="say which"):
        read(served("litserve/litserve-0.2.19-user-logger"))


def test_what_a_user_logs_under_litserve_is_no_signal_and_the_reason_says_what_would_be():
    found = read(served("litserve/litserve-0.2.19-user-logger"), "litserve")

    assert found.signals == {}
    assert {missing.flag for missing in found.missing.values()} == {"import inferometer.auto"}
