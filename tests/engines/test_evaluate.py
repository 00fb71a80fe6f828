"""What a mapping can say, each on a small page of its own."""

from pathlib import Path

import pytest

from inferometer.catalog import requests
from inferometer.catalog.engines import KV_CACHE, LAST_LOAD, SIGNALS
from inferometer.fleet import engines
from inferometer_exporters.engines.evaluate import evaluate
from inferometer_exporters.engines.labelling import Target
from inferometer_exporters.engines.plan import Mapper
from inferometer_exporters.engines.raw import RawPage
from inferometer_exporters.engines.reading import Reading, read

VLLM = (Path(__file__).parents[1] / "data/engines/vllm/vllm-0.32.0-cpu.prom").read_text()
KV, DEPTH, REQUESTS, LOAD = (
    next(signal for signal in SIGNALS if signal.entry is entry)
    for entry in (KV_CACHE, requests.QUEUE_DEPTH, requests.REQUESTS, LAST_LOAD)
)


def mapping(signal, sources: str, labels: str = "{model: {from: [model_name]}}"):
    absent = "\n".join(f"      - {one.name}" for one in SIGNALS if one is not signal)
    return engines.loads(
        f"""\
version: 1
engine: toy
title: Toy
page: http://HOST:1/metrics
spellings: [{{prefix: toy_}}]
labels: {labels}
signals:
  - signal: {signal.name}
    sources:
{sources}
absent:
  - reason: It is a toy.
    signals:
{absent}
""",
        file="toy.yaml",
    )


def told(of, page: str, **target: str) -> dict[tuple[str, ...], float]:
    mapper = Mapper(of)
    raw = RawPage(mapper.named, mapper.wants)
    values = raw.update(page)
    plan = mapper.plan(raw.series, Target(**target))
    return {
        tuple(value for value in amount.labels if value): amount.value
        for found in evaluate(plan, values, values)
        for amount in found.amounts
    }


GAUGE = '# TYPE toy_x gauge\ntoy_x{model_name="a",rank="0"} %s\ntoy_x{model_name="a",rank="1"} %s\n'


@pytest.mark.parametrize(
    ("signal", "source", "values", "expected"),
    [
        (DEPTH, "{series: toy_x}", (1, 3), 4.0),
        (KV, "{series: toy_x}", (0.2, 0.4), 0.3),
        (KV, "{series: toy_x, combine: max}", (0.2, 0.4), 0.4),
        (KV, "{series: toy_x, unit: percent}", (20, 40), 0.3),
        (DEPTH, "{series: toy_x, sentinels: [-1]}", (-1, 3), 3.0),
        (DEPTH, "{series: toy_x}", ("NaN", 3), 3.0),
        (DEPTH, "{series: toy_x, where: [{label: rank, matches: '1'}]}", (1, 3), 3.0),
        (DEPTH, "{series: toy_x, where: [{label: rank, differs: '1'}]}", (1, 3), 1.0),
        (DEPTH, "{series: toy_x, where: [{label: nothing, matches: ''}]}", (1, 3), 4.0),
    ],
)
def test_series_of_one_name_become_one_number(signal, source, values, expected):
    found = told(mapping(signal, f"      - {source}"), GAUGE % values)

    assert found == {("a",): pytest.approx(expected)}


@pytest.mark.parametrize(
    ("source", "values"),
    [
        ("{series: toy_x, sentinels: [-1]}", (-1, -1)),
        ("{series: toy_x}", ("NaN", "NaN")),
        ("{series: toy_x, zero_means_off: true}", (0, 0)),
        ("{series: toy_x, type: counter}", (1, 2)),
    ],
)
def test_what_says_nothing_is_absent_and_not_0(source, values):
    assert told(mapping(DEPTH, f"      - {source}"), GAUGE % values) == {}


def test_a_quotient_is_absent_where_there_is_nothing_to_divide_by():
    of = mapping(KV, "      - {series: toy_used, over: {series: toy_max}}")
    page = "# TYPE toy_used gauge\n# TYPE toy_max gauge\ntoy_used 1\ntoy_max {}\n"

    assert told(of, page.format(4)) == {(): 0.25}
    assert told(of, page.format(0)) == {}


def test_of_two_names_for_one_number_the_preferred_counts_and_never_both():
    of = mapping(DEPTH, "      - {series: toy_new}\n      - {series: toy_old}")
    old, new = "# TYPE toy_old gauge\ntoy_old 5\n", "# TYPE toy_new gauge\ntoy_new 6\n"

    assert (told(of, old + new), told(of, old)) == ({(): 6.0}, {(): 5.0})


def test_numbers_that_are_added_may_be_missing():
    of = mapping(DEPTH, "      - {series: toy_a, add: [{series: toy_b}]}")
    first, second = "# TYPE toy_a gauge\ntoy_a 5\n", "# TYPE toy_b gauge\ntoy_b 6\n"

    assert (told(of, first + second), told(of, first), told(of, second)) == ({(): 11.0}, {(): 5.0}, {})


def test_a_value_that_the_table_does_not_have_counts_nowhere_and_is_named():
    table = "{outcome: {from: [code], values: {ok: ['2..'], server_error: ['5..']}}}"
    of = mapping(REQUESTS, f"      - {{series: toy_total, labels: {table}}}")
    page = '# TYPE toy_total counter\ntoy_total{code="200"} 1\ntoy_total{code="204"} 2\ntoy_total{code="teapot"} 4\n'
    mapper = Mapper(of)
    raw = RawPage(mapper.named, mapper.wants)
    raw.update(page)

    assert told(of, page) == {("ok",): 3.0}
    assert mapper.plan(raw.series, Target()).unknown == ('toy_total{code="teapot"}',)


def test_labels_that_nobody_says_are_absent_and_the_model_is_the_fleets():
    labels = "{model: {from: [model_name], unknown: ['None']}}"
    of = mapping(LOAD, "      - {series: toy_x, unit: milliseconds}", labels)
    page = '# TYPE toy_x gauge\ntoy_x{model_name="None"} 1500\n'

    assert told(of, page) == {(): 1.5}
    assert told(of, page, model="mine", address="host:1") == {("mine", "host:1"): 1.5}


def spelled(prefix: str) -> Reading:
    return read(VLLM.replace("vllm:", prefix).encode(), "vllm")


@pytest.mark.parametrize("prefix", ["vllm_", "ray_vllm:", "ray_vllm_"])
def test_vllm_says_the_same_in_every_spelling(prefix):
    ours, theirs = spelled("vllm:"), spelled(prefix)

    assert (theirs.engine, theirs.version, theirs.unknown) == ("vllm", ours.version, [])
    assert numbers(theirs) == numbers(ours)


def numbers(told: Reading) -> dict[str, list[tuple]]:
    return {
        name: [(one.value, one.count, one.sum, one.buckets, one.labels) for one in of]
        for name, of in told.signals.items()
    }


def test_through_ray_sums_are_approximations_and_say_so():
    (value,) = spelled("ray_vllm_").signals[requests.TIME_TO_FIRST_TOKEN.name]

    assert value.quality == "approximate"
    assert "Ray's node agent records the middle of each bucket" in value.reason
