"""Mappings of engines: read strictly, every error at its place."""

import re
from pathlib import Path

import pytest

from inferometer.catalog import requests
from inferometer.catalog.engines import SIGNALS
from inferometer.errors import FleetError
from inferometer.fleet import engines
from inferometer.fleet.engines import Quality, boundaries
from inferometer.fleet.engines.versions import Range, between, numbers
from inferometer.fleet.service import INSTRUMENTED, Engine
from inferometer_exporters.engines.reading import read

DURATION = requests.REQUEST_DURATION.name
TOLD = f"""\
  - signal: {DURATION}
    sources:
      - series: toy_seconds
        buckets: [0.1, 1]
"""


def text(signals: str = TOLD, absent: str | None = None, rest: str = "") -> str:
    others = absent or "\n".join(f"      - {signal.name}" for signal in SIGNALS if signal.name not in signals)
    return f"""\
version: 1
engine: toy
title: Toy
page: http://HOST:1/metrics
spellings: [{{prefix: toy_}}]
{rest}signals:
{signals}absent:
  - reason: It is a toy.
    signals:
{others}
"""


def test_a_mapping_that_says_something_of_every_signal_is_read():
    mapping = engines.loads(text(), file="toy.yaml")

    (told,) = mapping.signals
    assert (told.signal.name, told.quality, told.sources[0].series) == (DURATION, Quality.EXACT, "toy_seconds")


SIGNALS_ERRORS = {
    "a quality without a reason": (
        TOLD.replace("    sources", "    quality: approximate\n    sources"),
        "nothing says why",
    ),
    "a label that the signal does not have": (
        TOLD.replace("        buckets", "        labels: {tenant: {from: [x]}}\n        buckets"),
        "takes no label 'tenant'",
    ),
    "a label of the fleet": (
        TOLD.replace("        buckets", "        labels: {service: {from: [x]}}\n        buckets"),
        "takes no label 'service'",
    ),
    "a value that the label does not have": (
        "  - signal: inference_requests_total\n    set: {outcome: fine}\n    sources: [{series: toy_total}]\n",
        "'fine' is no value of outcome",
    ),
    "a signal that does not exist": (TOLD.replace(DURATION, "inference_nothing"), "is no signal"),
    "a unit that does not exist": (
        TOLD.replace("        buckets", "        unit: weeks\n        buckets"),
        "is no unit",
    ),
    "buckets that do not rise": (TOLD.replace("[0.1, 1]", "[1, 0.1]"), "do not rise"),
    "scaled buckets that nobody knows": (
        TOLD.replace("        buckets: [0.1, 1]", "        unit: milliseconds"),
        "nothing says its buckets",
    ),
    "a sum without a count": (TOLD.replace("        buckets: [0.1, 1]", "        type: counter"), "no distribution"),
    "a part of a histogram as a distribution": (
        TOLD.replace("        buckets: [0.1, 1]", "        part: sum"),
        "no distribution",
    ),
    "a histogram as one number": (
        "  - signal: inference_requests_total\n    sources: [{series: toy_seconds, type: histogram}]\n",
        "is one number",
    ),
    "a counter that is divided": (
        "  - signal: inference_requests_total\n    sources: [{series: toy_total, over: {series: toy_all}}]\n",
        "only gauges are divided",
    ),
    "an entry that stands twice": (TOLD + TOLD, "stands twice"),
    "no source": (
        TOLD.replace("      - series: toy_seconds\n        buckets: [0.1, 1]\n", "      []\n"),
        "has no source",
    ),
    "a pattern that Prometheus reads otherwise": (
        TOLD.replace("        buckets", "        where: [{label: x, matches: '(?=a)b'}]\n        buckets"),
        "means another thing to Prometheus",
    ),
    "a range without versions": (
        TOLD.replace("        buckets", '        versions: ">=2 <1"\n        buckets'),
        "no version",
    ),
}


@pytest.mark.parametrize(("signals", "said"), SIGNALS_ERRORS.values(), ids=SIGNALS_ERRORS.keys())
def test_what_cannot_be_right_is_an_error_with_line_and_column(signals, said):
    with pytest.raises(FleetError, match=re.escape(said)) as found:
        engines.loads(text(signals), file="toy.yaml")

    assert re.match(r"toy\.yaml:\d+:\d+: ", str(found.value))


def test_a_signal_that_nobody_mentions_is_named():
    with pytest.raises(FleetError, match="nothing is said of inference_requests_total"):
        engines.loads(text(absent="      - inference_queue_depth"), file="toy.yaml")


def test_a_signal_is_not_told_and_absent():
    with pytest.raises(FleetError, match="told or absent elsewhere"):
        engines.loads(text(absent=f"      - {DURATION}"), file="toy.yaml")


def test_a_file_has_its_engines_name():
    with pytest.raises(FleetError, match=r"the file is named other\.yaml, the engine 'toy'"):
        engines.loads(text(), file="other.yaml")


def test_an_engine_that_contains_one_that_does_not_exist_is_an_error():
    with pytest.raises(FleetError, match="there is no other engine 'nothing'"):
        engines.loads(text(rest="contains: [nothing]\n"), file="toy.yaml")


def test_every_mapping_that_we_ship_is_right():
    assert len(list(engines.every())) >= 18


def test_fleet_yaml_knows_the_engines_that_there_is_a_mapping_of():
    foreign = {engine.value for engine in Engine if engine not in INSTRUMENTED}

    assert foreign == set(engines.names())


@pytest.mark.parametrize("name", engines.names())
def test_each_engine_says_of_every_signal_how_good_it_is(name):
    told = boundaries(name)

    assert set(told) == {signal.name for signal in SIGNALS}
    assert all(known.reason for known in told.values() if known.quality is not Quality.EXACT)


def test_boundaries_are_in_base_units_and_of_the_version():
    new, old = (boundaries("vllm", version)[DURATION] for version in ("0.32", "0.4.3"))
    chunk = boundaries("triton")[requests.TIME_TO_FIRST_CHUNK.name]

    assert (new.le[0], old.le[0]) == (0.3, 1.0)
    assert chunk.le == (0.1, 0.5, 2.0, 5.0)


def test_a_signal_that_a_version_does_not_have_is_absent_and_says_so():
    told = boundaries("vllm", "0.9.2")[requests.TIME_PER_OUTPUT_TOKEN.name]

    assert (told.quality, told.reason) == (Quality.ABSENT, "vLLM 0.9.2 does not tell it")


def test_boundaries_that_the_engine_was_started_with_count():
    own = boundaries("vllm", None, [(DURATION, (0.05, 0.01))])[DURATION]

    assert own.le == (0.01, 0.05)


@pytest.mark.parametrize(
    ("version", "expected"),
    [("0.32.0", (0, 32)), ("0.8.5.post2", (0, 8, 5)), ("v2.51", (2, 51)), ("4.9.0rc1", (4, 9)), ("main", None)],
)
def test_versions_are_their_numbers(version, expected):
    assert numbers(version) == expected


def test_ranges_hold_what_is_from_the_first_on_and_below_the_second():
    found = Range.parse(">=0.9 <0.12")

    assert [numbers(text) in found for text in ("0.8.5", "0.9", "0.9.0", "0.11.9", "0.12.0")] == [
        False, True, True, True, False,
    ]  # fmt: skip
    assert str(between(numbers("0.9"), None)) == ">=0.9"


@pytest.mark.parametrize("wrong", ["", "0.9", "<=0.9", ">=a", ">=2 <1"])
def test_what_is_no_range_is_refused(wrong):
    with pytest.raises(ValueError, match=r"says nothing|neither|no version"):
        Range.parse(wrong)


PAGES = Path(__file__).parents[1] / "data/engines"
CAPTURED = sorted(
    # LiteLLM's page had no request yet, LitServe's is what a user wrote.
    path
    for path in PAGES.glob("*/*.prom")
    if path.parent.name not in {"litellm", "litserve"}
)


@pytest.mark.parametrize("path", CAPTURED, ids=lambda path: path.stem)
def test_a_signal_that_says_its_model_by_its_mapping_does_so_on_captured_pages(path):
    told = read(path.read_bytes(), "nim" if path.parent.name == "nvidia-nim" else None)
    known = boundaries(told.engine)

    silent = {name for name, of in told.signals.items() if not any("model" in one.labels for one in of)}
    assert {name for name in silent if known[name].by_model} == set()
