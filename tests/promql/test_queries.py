"""Queries: values cannot break out of their quotes, and what can never be right is refused when it is built."""

import re

import promql_parser
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inferometer import promql
from inferometer.catalog.labels import DEVICE, MODEL, OUTCOME, SERVICE
from inferometer.catalog.requests import IN_FLIGHT, REQUEST_DURATION, REQUESTS
from inferometer.errors import CatalogError
from inferometer.promql import Part

# Surrogates cannot be written as UTF-8, so no label value has them.
VALUES = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


@given(VALUES)
def test_a_matcher_means_exactly_its_value_whatever_is_in_it(value):
    parsed = promql_parser.parse(promql.select(REQUESTS, promql.equal(SERVICE, value)).text)

    (matcher,) = parsed.matchers.matchers
    assert (matcher.name, matcher.value) == (SERVICE.name, value)


@given(VALUES, VALUES)
def test_a_quoted_regular_expression_matches_its_value_and_no_other(value, other):
    pattern = re.compile(promql.quote_regex(value), re.DOTALL)

    assert pattern.fullmatch(value)
    assert bool(pattern.fullmatch(other)) == (value == other)


@given(st.sets(VALUES, min_size=1, max_size=5))
def test_one_of_some_values_is_promql(values):
    promql_parser.parse(promql.select(REQUESTS, promql.one_of(MODEL, values)).text)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: promql.select(IN_FLIGHT, promql.equal(MODEL, "m")), "inference_requests_in_flight has no label model"),
        (lambda: promql.rate(promql.select(IN_FLIGHT), "5m"), r"is a gauge; rate\(\) is for counters"),
        (lambda: promql.rate(promql.select(REQUESTS), "5 minutes"), "is no window"),
        (lambda: promql.sum_by(promql.select(REQUESTS), DEVICE), "has no label device"),
        (lambda: promql.select(REQUESTS, part=Part.BUCKET), "only histograms have a part _bucket"),
        (lambda: promql.quantile(0.99, promql.select(IN_FLIGHT)), "a quantile needs histograms"),
        (lambda: promql.sum_over_time(promql.select(REQUESTS), "5m"), "its samples must not be added up"),
        (
            lambda: promql.sum_by(promql.select(REQUESTS), SERVICE) / promql.sum_by(promql.select(REQUESTS), OUTCOME),
            "matches nothing: labels service and outcome",
        ),
    ],
)
def test_a_query_that_can_never_be_right_is_refused(build, message):
    with pytest.raises(CatalogError, match=message):
        build()


def test_a_quantile_of_merged_histograms_keeps_what_they_were_merged_by():
    merged = promql.sum_by(promql.rate(promql.select(REQUEST_DURATION), "5m"), SERVICE, MODEL)

    built = promql.quantile(0.99, merged)

    assert built.labels == ("service", "model")
    assert built.text == (
        "histogram_quantile(0.99, sum by (service, model) (rate(inference_request_duration_seconds[5m])))"
    )


def test_parts_of_a_calculation_stand_in_parentheses():
    total = promql.sum_by(promql.select(REQUESTS), SERVICE)

    assert (1 - total / (total > 0)).text == (
        "1 - (sum by (service) (inference_requests_total) / (sum by (service) (inference_requests_total) > 0))"
    )
