"""Parts of the boards' proof: variables as Grafana fills them in, samples as they are pushed, what is found wrong."""

from dataclasses import replace

import pytest

from boards import plausible, table
from boards.engine_pages import PAGES, Growing
from boards.grafana_variables import ALL, Range, Variable, filled, references
from boards.remote_write import EXEMPLAR, HISTOGRAM, SAMPLE, Page, _snappy
from boards.rules import Ruled, _held, _ordered
from boards.targets import Found, Run, Target, targets
from inferometer.aggregate import Aggregator, Exemplar, Exposition
from inferometer.aggregate.exposition import PROTOBUF
from inferometer.catalog.requests import REQUEST_DURATION, REQUESTS

TARGET = Target(
    board="b",
    panel="p",
    letter="A",
    expr="x",
    instant=False,
    exemplar=False,
    legend="{{model}} p99",
    unit="percentunit",
)
RUN = Run(target=TARGET, query="x", chosen={}, found=(Found({"model": "m"}, (0.2, 0.4)),))


HOUR = Range(begin=0.0, end=3600.0)
SEVERAL = Variable("model", ("a.b", "c|d"), multi=True, all_value=".+")
LISTED = Variable("model", ("a.b", "c|d"), multi=True, all_value=None)
ONE = Variable("trace", ('a"b',), multi=False, all_value=None)


@pytest.mark.parametrize(
    ("text", "variable", "chosen", "expected"),
    [
        ('{m=~"$model"}', SEVERAL, ALL, '{m=~".+"}'),
        ('{m=~"$model"}', SEVERAL, "a.b", r'{m=~"a\\.b"}'),
        ('{m=~"${model}"}', SEVERAL, "c|d", r'{m=~"c\\|d"}'),
        ('{m=~"$model"}', LISTED, ALL, r'{m=~"(a\\.b|c\\|d)"}'),
        ('{m=~"[[model]]"}', SEVERAL, "x", '{m=~"x"}'),
        ("${model:pipe}", LISTED, ALL, "a.b|c|d"),
        ("${model:raw}", LISTED, "a.b", "a.b"),
        ("${model:csv}", LISTED, ALL, "a.b,c|d"),
        ("${model:regex}", LISTED, "a.b", r"a\.b"),
        ('{t="$trace"}', ONE, ALL, r'{t="a\"b"}'),
        ("$other $models", SEVERAL, ALL, "$other $models"),
        ("[$__rate_interval] [$__range] [$__interval]", SEVERAL, ALL, "[60s] [3600s] [15s]"),
        ("$__range_s ${__range_ms} $__from $__to", SEVERAL, ALL, "3600 3600000 0 3600000"),
    ],
)
def test_variables_are_filled_in_as_grafana_does(text, variable, chosen, expected):
    assert filled(text, {variable.name: variable}, {variable.name: chosen}, HOUR) == expected


def test_a_week_is_read_over_longer_windows():
    built_in = Range(begin=0.0, end=7 * 86_400.0).built_in

    assert (built_in["__interval"], built_in["__rate_interval"]) == ("600s", "615s")


def test_references_are_found_in_all_three_spellings():
    assert references("$a ${b:csv} [[c]]") == {"a", "b", "c"}


@pytest.mark.parametrize(
    ("values", "unit", "says"),
    [
        ((0.2,), "percentunit", ""),
        ((20.0,), "percentunit", "from 20 to 20, between 0 and 1"),
        ((-1.0,), "s", "from -1"),
        ((float("nan"), 0.1), "s", "1 of 2 values are no numbers"),
        ((float("inf"),), "s", "1 of 1 values are no numbers"),
        ((1.0,), "furlong", "nobody said what is plausible in 'furlong'"),
    ],
)
def test_a_value_that_cannot_be_is_found(values, unit, says):
    run = replace(RUN, target=replace(TARGET, unit=unit), found=(Found({}, values),))

    assert "".join(plausible.wrong(run)).startswith(says)
    assert bool(list(plausible.wrong(run))) is bool(says)


def test_the_table_counts_what_is_empty_and_what_answers_for_no_value():
    empty = replace(RUN, target=replace(TARGET, letter="B"), found=())
    runs = [RUN, empty, replace(RUN, chosen={"model": "m"}), replace(empty, chosen={"model": "m"})]

    assert table.line("One", runs).cells == ("One", "1", "2", "1 of 2", "1 of 2", "4")
    assert table.markdown([table.line("One", runs)]).splitlines()[-1] == "| **all** | 1 | 2 | 1 of 2 | 1 of 2 | 4 |"


def test_the_table_stands_between_its_marks_and_nowhere_else():
    page = f"before\n{table.BEGIN}\nold\n{table.END}\nafter\n"

    assert table.written(page, "new\n") == f"before\n{table.BEGIN}\nnew\n{table.END}\nafter\n"
    with pytest.raises(ValueError, match="no place for the table"):
        table.written("nothing", "new")


def test_columns_of_a_table_have_their_own_units_and_panels_in_collapsed_rows_are_asked():
    source = {"type": "prometheus", "uid": "${datasource}"}
    panel = {
        "type": "table",
        "title": "T",
        "datasource": source,
        "fieldConfig": {
            "defaults": {"unit": "short"},
            "overrides": [{"matcher": {"options": "p99"}, "properties": [{"id": "unit", "value": "s"}]}],
        },
        "targets": [{"refId": letter, "expr": letter, "instant": True} for letter in "AB"],
        "transformations": [{"id": "organize", "options": {"renameByName": {"Value #B": "p99"}}}],
    }
    waterfall = {**panel, "datasource": {"type": "jaeger"}, "title": "W"}
    document = {
        "uid": "u",
        "panels": [{"type": "row", "panels": [panel, waterfall]}],
        "annotations": {"list": [{"name": "N", "datasource": source, "expr": "up", "titleFormat": "{{job}}"}]},
    }

    found = list(targets(document))

    assert [(str(one), one.unit, one.instant) for one in found] == [
        ("u / T / A", "short", True),
        ("u / T / B", "s", True),
        ("u / annotation N / A", "", False),
    ]
    assert found[2].legend_labels == ("job",)


def test_a_page_becomes_plain_samples_native_histograms_and_exemplars():
    aggregator = Aggregator()
    model = ("svc", "m", "", "")
    aggregator.add(REQUESTS, ("svc", "m", "", "", "", "", "ok", "true"), 3)
    aggregator.observe(REQUEST_DURATION, model, 5_000_000)
    aggregator.exemplar(REQUEST_DURATION, model, Exemplar(trace_id=0xFEED, value=5_000_000, wall_ns=1_500_000_000))
    exposition = Exposition(aggregator.snapshot)
    exposition.respond(PROTOBUF).fetched()
    aggregator.settle()
    page = Page({"job": "j"})

    found = list(page.samples(exposition.respond(PROTOBUF).body))

    by_name = {(dict(labels)["__name__"], kind): (dict(labels), body) for labels, (body, kind) in found}
    labels, body = by_name[REQUESTS.name, SAMPLE]
    assert labels == {
        "__name__": REQUESTS.name, "entry": "true", "job": "j", "model": "m", "outcome": "ok", "service": "svc",
    }  # fmt: skip
    assert body == b"\x09" + b"\0\0\0\0\0\0\x08@"
    assert (REQUEST_DURATION.name, HISTOGRAM) in by_name
    assert b"0000feed" in by_name[REQUEST_DURATION.name, EXEMPLAR][1]
    assert list(page.samples(exposition.respond(PROTOBUF).body)) == found


@pytest.mark.parametrize("size", [0, 1, 65_536, 65_537, 200_000])
def test_literals_are_snappy(size):
    data = bytes(number % 251 for number in range(size))

    assert unpacked(_snappy(data)) == data


def unpacked(block):
    """Snappy's block format where it has literals only."""
    at = next(place for place, byte in enumerate(block) if byte < 128) + 1
    out = b""
    while at < len(block):
        assert block[at] == 61 << 2
        length = int.from_bytes(block[at + 1 : at + 3], "little") + 1
        out += block[at + 3 : at + 3 + length]
        at += 3 + length
    return out


def test_an_engine_goes_on_as_it_did_between_its_two_captures():
    growing = Growing(PAGES / "vllm/vllm-0.32.0-cpu.prom")
    read = [{line.rpartition(" ")[0]: float(line.rpartition(" ")[2])
             for line in growing.page(scrape).decode().splitlines() if line and not line.startswith("#")}
            for scrape in range(3)]  # fmt: skip

    rising = [name for name in read[0] if read[1][name] > read[0][name]]
    assert rising
    assert all(not name.split("{")[0].endswith("_created") for name in rising)
    for name in rising:
        assert read[2][name] - read[1][name] == pytest.approx(read[1][name] - read[0][name])


def ruled(name, expr, hold=None):
    return Ruled(name, expr, {}, 30, hold)


def test_rules_run_after_those_that_they_read():
    rules = [ruled("a:b:c", "d:e:f > 1"), ruled("Alert", "a:b:c", 60), ruled("d:e:f", "sum(up)")]

    assert [rule.name for rule in _ordered(rules)] == ["d:e:f", "a:b:c", "Alert"]
    with pytest.raises(ValueError, match="read each other"):
        list(_ordered([ruled("a:b:c", "d:e:f"), ruled("d:e:f", "a:b:c")]))


def test_an_alert_fires_when_it_was_true_for_long_enough_without_a_gap():
    times = [0, 30, 60, 90, 300, 330, 360]

    assert list(_held(times, ruled("Alert", "up", 60))) == [60, 90, 360]
    assert list(_held(times, ruled("Alert", "up", 0))) == times
