"""Pages: read back by parsers of others, equal in all three formats."""

import gzip
from bisect import bisect_left

import metrics_proto
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_text

from inferometer.aggregate import Aggregator, Exposition
from inferometer.aggregate.exposition import OPENMETRICS, PROTOBUF, TEXT, negotiate
from inferometer.catalog import requests, telemetry

DURATION = requests.REQUEST_DURATION
PROMETHEUS_3 = (
    "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.6,"
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,"
    "application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,"
    "text/plain;version=0.0.4;q=0.2,*/*;q=0.1"
)
PROMETHEUS_2 = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"  # noqa: E501 - as it is sent


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("", TEXT),
        ("*/*", TEXT),
        ("text/html,application/xhtml+xml,*/*;q=0.8", TEXT),
        (PROMETHEUS_2, OPENMETRICS),
        (PROMETHEUS_3, PROTOBUF),
        ("application/vnd.google.protobuf", TEXT),
        ("application/openmetrics-text;version=2.0.0,text/plain;q=0.1", TEXT),
        ("application/openmetrics-text;q=none", TEXT),
        ("text/plain;q=0.9,application/openmetrics-text;q=0.2", TEXT),
        (";;q=1,=,", TEXT),
    ],
)
def test_the_format_is_what_the_scraper_likes_best(accept, content_type):
    assert negotiate(accept) == content_type


@given(st.text())
def test_no_header_breaks_the_negotiation(accept):
    assert negotiate(accept) in {TEXT, OPENMETRICS, PROTOBUF}


def test_openmetrics_is_read_by_its_reference_parser_with_exemplar_and_unit(filled):
    page = Exposition(filled.snapshot).respond(PROMETHEUS_2)

    families = {family.name: family for family in read_openmetrics(page.body.decode())}

    assert page.content_type == OPENMETRICS
    duration = families[DURATION.name]
    assert (duration.type, duration.unit, duration.documentation) == ("histogram", "seconds", DURATION.help)
    (exemplar,) = [sample.exemplar for sample in duration.samples if sample.exemplar]
    assert exemplar.labels == {"trace_id": f"{0xABC:032x}"}
    assert (exemplar.value, float(exemplar.timestamp)) == (0.02, 1_700_000_000.125)
    cost = families[requests.COST.name.removesuffix("_total")]
    assert (cost.type, cost.unit, cost.samples[0].value) == ("counter", "usd", 2.5)
    assert families[telemetry.FRAME_LAG.name].samples[0].value == 0.25


def test_text_is_read_by_its_reference_parser_with_awkward_labels(filled):
    page = Exposition(filled.snapshot).respond()

    families = {family.name: family for family in read_text(page.body.decode())}

    labels = families[DURATION.name].samples[0].labels
    assert (labels["service"], labels["model"]) == ('s"v\\c', "100 %\nof it")
    assert "region" not in labels, "an empty label is no label"
    buckets = [s for s in families[DURATION.name].samples if s.name.endswith("_bucket")]
    counts = {float(s.labels["le"]): s.value for s in buckets}
    assert counts[0.25] == 5
    assert counts[float("inf")] == 7
    assert list(counts.values()) == sorted(counts.values())


def test_protobuf_says_the_same_as_text_and_has_the_sketch(filled):
    exposition = Exposition(filled.snapshot)
    page = exposition.respond(PROMETHEUS_3)
    families = metrics_proto.families(page.body)
    text = {
        (s.name, tuple(sorted(s.labels.items()))): s.value
        for family in read_text(exposition.respond().body.decode())
        for s in family.samples
    }

    assert page.content_type == PROTOBUF
    for name, family in families.items():
        for metric in family.metric:
            labels = {pair.name: pair.value for pair in metric.label}

            def shown(suffix="", name=name, labels=labels, **more):
                return text[name + suffix, tuple(sorted({**labels, **more}.items()))]

            if family.type == 4:
                histogram = metric.histogram
                assert shown("_count") == histogram.sample_count
                assert shown("_sum") == histogram.sample_sum
                for bucket in histogram.bucket:
                    le = "+Inf" if bucket.upper_bound == float("inf") else repr(bucket.upper_bound)
                    assert shown("_bucket", le=le) == bucket.cumulative_count
            else:
                assert shown() == (metric.counter if family.type == 0 else metric.gauge).value


def native(histogram) -> dict[int, int]:
    """Native index -> values."""
    found, index, value, deltas = {}, 0, 0, iter(histogram.positive_delta)
    for span in histogram.positive_span:
        index += span.offset
        for _ in range(span.length):
            value += next(deltas)
            found[index] = value
            index += 1
    assert next(deltas, None) is None
    return found


@given(st.lists(st.integers(0, 10**12), max_size=40))
def test_every_value_is_in_the_native_bucket_that_its_size_says(values):
    aggregator = Aggregator()
    for value in values:
        aggregator.observe(DURATION, ("svc", "m", "", ""), value)
    aggregator.observe(DURATION, ("svc", "m", "", ""), 1)
    Exposition(aggregator.snapshot).respond().fetched()
    aggregator.settle()

    (metric,) = metrics_proto.families(Exposition(aggregator.snapshot).respond(PROMETHEUS_3).body)[DURATION.name].metric

    histogram = metric.histogram
    assert histogram.schema == 4
    assert histogram.zero_count == values.count(0)
    expected: dict[int, int] = {}
    edges = [2.0 ** (k / 16) for k in range(-480, 272)]
    for value in [*[v for v in values if v], 1]:
        index = bisect_left(edges, value / 1e9 * (1 - 1e-12)) - 480
        expected[index] = expected.get(index, 0) + 1
    found = native(histogram)
    assert {i: n for i, n in found.items() if n} == expected
    assert sum(found.values()) + histogram.zero_count == histogram.sample_count


def test_a_new_histogram_is_native_and_empty():
    aggregator = Aggregator()
    aggregator.observe(DURATION, ("svc", "m", "", ""), 5)

    (metric,) = metrics_proto.families(Exposition(aggregator.snapshot).respond(PROMETHEUS_3).body)[DURATION.name].metric

    histogram = metric.histogram
    assert (histogram.sample_count, histogram.sample_sum, histogram.zero_count) == (0, 0.0, 0)
    assert [(span.offset, span.length) for span in histogram.positive_span] == [(0, 0)]
    assert {bucket.cumulative_count for bucket in histogram.bucket} == {0}


def test_the_second_page_of_a_snapshot_that_changed_is_as_if_there_had_been_no_first(filled):
    kept = Exposition(filled.snapshot)
    for accept in ("", PROMETHEUS_2, PROMETHEUS_3):
        kept.respond(accept)
    filled.observe(DURATION, ("svc", "new", "", ""), 5)
    filled.add(requests.REQUESTS, ("svc", "m", "", "", "acme", "", "ok", "true"))
    filled.remove(requests.IN_FLIGHT, ("svc", "eu"))

    for accept in ("", PROMETHEUS_2, PROMETHEUS_3):
        assert kept.respond(accept).body == Exposition(filled.snapshot).respond(accept).body


def test_a_page_is_compressed_for_those_who_can_read_it(filled):
    exposition = Exposition(filled.snapshot)

    page = exposition.respond("", "deflate, gzip;q=0.5")

    assert page.content_encoding == "gzip"
    assert gzip.decompress(page.body) == exposition.respond("", "identity").body
