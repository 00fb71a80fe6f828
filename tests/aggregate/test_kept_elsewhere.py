"""Series that somebody else keeps: the same in all formats, beside ours of the same name."""

import math

import metrics_proto
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_text

from inferometer.aggregate import Aggregator, Exposition
from inferometer.aggregate.sample import Birth, Buckets, Family, Plain, joined
from inferometer.catalog import engines, requests

DURATION, TOKENS = engines.of_engine(requests.REQUEST_DURATION), engines.of_engine(requests.TOKENS)
LABELS = ("llm", "m", "", "", "host:1")
PROMETHEUS_3 = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"
OPENMETRICS = "application/openmetrics-text;version=1.0.0"


def exposition(*families: Family) -> Exposition:
    aggregator = Aggregator()
    aggregator.observe(requests.REQUEST_DURATION, ("own", "m", "", ""), 10**8)
    aggregator.settle()
    return Exposition(lambda: joined(aggregator.snapshot(), families))


def histogram(total: float | None = 7.5, birth: Birth | None = None) -> Family:
    sample = Buckets(LABELS, (0.3, 1.0, 20.0), (2.0, 5.0, 6.0), 6.0, total, birth)
    return Family(DURATION, None, (sample,))


def tokens(value: float) -> Family:
    return Family(TOKENS, None, (Plain(("llm", "m", "", "", "input", "host:1"), value),))


def series(page: str, name: str) -> dict[str, float]:
    found = [s for of in read_text(page) for s in of.samples if s.name.startswith(name)]
    return {s.name.removeprefix(name) + s.labels.get("le", ""): s.value for s in found if s.labels["service"] == "llm"}


def test_a_histogram_has_its_own_boundaries_and_stands_beside_ours_under_one_head():
    page = exposition(tokens(3.0), histogram()).respond().body.decode()

    assert series(page, DURATION.name) == {
        "_bucket0.3": 2.0, "_bucket1.0": 5.0, "_bucket20.0": 6.0, "_bucket+Inf": 6.0, "_count": 6.0, "_sum": 7.5,
    }  # fmt: skip
    assert page.count(f"# TYPE {DURATION.name} ") == 1
    assert page.index(f'{DURATION.name}_sum{{service="own"') < page.index(f'{DURATION.name}_sum{{service="llm"')
    assert page.index(f'{DURATION.name}_sum{{service="llm"') < page.index(f"# TYPE {TOKENS.name} ")


def test_openmetrics_is_read_by_its_reference_parser():
    page = exposition(histogram(), tokens(3.0)).respond(OPENMETRICS).body.decode()

    families = {of.name: of for of in read_openmetrics(page)}

    assert {s.labels["service"] for s in families[DURATION.name].samples} == {"own", "llm"}
    assert families[TOKENS.name.removesuffix("_total")].samples[0].value == 3.0


def test_protobuf_says_the_same_and_has_no_native_form():
    families = metrics_proto.families(exposition(histogram(), tokens(3.0)).respond(PROMETHEUS_3).body)

    (metric,) = families[TOKENS.name].metric
    assert metric.counter.value == 3.0
    found = [m for m in families[DURATION.name].metric if m.label[0].value == "llm"]
    buckets = [(bucket.upper_bound, bucket.cumulative_count) for bucket in found[0].histogram.bucket]
    assert buckets == [(0.3, 2), (1.0, 5), (20.0, 6), (math.inf, 6)]
    assert (found[0].histogram.sample_count, found[0].histogram.sample_sum) == (6, 7.5)
    assert len(found[0].histogram.positive_span) == 0


def test_a_sum_that_nobody_knows_is_not_0():
    whole = exposition(histogram(total=None))

    assert "_sum" not in series(whole.respond().body.decode(), DURATION.name)
    found = metrics_proto.families(whole.respond(PROMETHEUS_3).body)[DURATION.name].metric
    assert math.isnan(next(m.histogram.sample_sum for m in found if m.label[0].value == "llm"))


def test_what_is_new_shows_0_until_that_was_fetched():
    birth = Birth(0)
    page = exposition(histogram(birth=birth)).respond()

    assert set(series(page.body.decode(), DURATION.name).values()) == {0.0}
    page.fetched()
    assert birth.fetched


@pytest.mark.parametrize(
    ("value", "written"), [(3.0, "3"), (0.25, "0.25"), (1e300, "1e+300"), (2.0**53, "9007199254740992.0")]
)
def test_numbers_are_written_as_they_are(value, written):
    page = exposition(tokens(value)).respond().body.decode()

    assert f'replica="host:1"}} {written}\n' in page
