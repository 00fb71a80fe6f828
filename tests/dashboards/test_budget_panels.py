"""Budgets on boards: limits of the policy, windows of the alerts, promised times on the graphs."""

import re
from decimal import Decimal
from pathlib import Path

import pytest

from inferometer.fleet.loader import loads
from inferometer.fleet.slos import slos
from inferometer_alerts.policy import legs
from inferometer_dashboards.boards.budget_panels import FAST, SLOW, burn, left_steps, windows
from inferometer_dashboards.boards.model import latency
from inferometer_dashboards.boards.slo import promises
from inferometer_dashboards.panels import Colour

TEXT = (Path(__file__).parents[2] / "examples/fleet.yaml").read_text()


def fleet(policy="", **replaced):
    text = re.sub(r"(?m)^policy:.*\n", policy, TEXT)
    for old, new in replaced.items():
        assert old in text
        text = text.replace(old, new)
    return loads(text)


def panel(board, key):
    (found,) = [one for one in board.panels() if one.key == key]
    return found


@pytest.mark.parametrize(
    ("policy", "steps"),
    [
        ("", [(0.0, Colour.WATCH), (0.25, Colour.GOOD)]),
        ("policy: [{below: 50, do: slow-rollout}, {below: 10, do: freeze}]\n", [(0.1, "orange"), (0.5, "green")]),
        ("policy: [{below: 30, do: freeze}]\n", [(0.3, "green")]),
        ("policy: [{below: 40, do: page}]\n", [(0.0, "orange"), (0.4, "green")]),
    ],
    ids=["nothing said", "two steps", "a freeze alone", "a page alone"],
)
def test_a_budget_has_the_colours_of_the_policy(policy, steps):
    assert [(step.at, step.colour) for step in left_steps(fleet(policy))] == steps


def test_the_pace_is_read_in_the_windows_of_the_alerts():
    one = fleet()
    fast = {leg.long for slo in slos(one) for leg in legs(slo.objective) if leg.tier == FAST}

    assert set(windows(one, FAST)) == fast
    assert all(f"slo:burn_rate:ratio{window}" in burn(one, FAST).text for window in fast)
    assert burn(one, FAST).text.count(" or ") == len(fast) - 1


def test_a_forecast_is_of_budgets_that_are_left_and_used_too_fast():
    texts = [query.expr.text for query in panel(promises(fleet()), "forecast").promql]

    assert len(texts) == 2
    for text, tier in zip(texts, (FAST, SLOW), strict=True):
        assert "slo:budget_left:ratio" in text
        assert "> 0) * slo:period:seconds" in text
        assert text.endswith("> 1)")
        assert all(f"ratio{window}" in text for window in windows(fleet(), tier))


def test_promised_times_are_lines_where_a_chosen_model_promises_them():
    lines = panel(latency(fleet()), "percentiles").promql

    (promised,) = [query for query in lines if "promises" in query.legend]
    assert promised.legend.endswith("promises 250ms")
    assert promised.expr.text == (
        'group by (service, model) (slo:objective:ratio{service=~"$service", model=~"$model", objective="interactive"})'
        " * 0.25"
    )
    (chunk,) = [query for query in panel(latency(fleet()), "first-chunk").promql if "promises" in query.legend]
    assert chunk.expr.text.endswith(" * 0.5")


def test_a_fleet_with_many_promises_draws_the_strictest():
    many = "".join(
        f"  o{number}: {{sli: latency, threshold: {number}ms, target: 99, window: 30d}}\n" for number in range(1, 31)
    )
    names = ", ".join(f"o{number}" for number in range(1, 31))
    text = TEXT.replace("objectives:\n", f"objectives:\n{many}", 1) if "\nobjectives:\n" in TEXT else TEXT
    text = text.replace("minilm: {objectives: [available, interactive]}", f"minilm: {{objectives: [{names}]}}")

    lines = [q for q in panel(latency(loads(text)), "percentiles").promql if "promises" in q.legend]

    assert [line.legend.split()[-1] for line in lines] == [f"{number}ms" for number in range(1, 9)]


def test_numbers_of_promises_are_0_where_none_is_broken_and_nothing_without_any():
    (query,) = panel(promises(fleet()), "broken").promql

    some, _, none = query.expr.text.partition(" or ")
    assert some.startswith("count(slo:budget_left:ratio{")
    assert none.endswith("* 0)")
    assert Decimal(0) == Decimal(none.rpartition("*")[2].strip(" )"))
