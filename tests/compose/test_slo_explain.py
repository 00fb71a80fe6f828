"""`inferometer slo explain` says what watches an objective, and when somebody is told."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from inferometer_compose.commands.declared import app
from inferometer_compose.screens.slo import time

FLEET = Path(__file__).parents[2] / "examples" / "fleet.yaml"


def explain(*arguments):
    return CliRunner().invoke(app, ["slo", "explain", *arguments, "--config", str(FLEET)])


def test_an_slo_is_explained_with_its_legs_and_outages():
    answer = explain("embedder-minilm-interactive")

    assert answer.exit_code == 0
    lines = answer.stdout.splitlines()
    assert lines[0] == "interactive: an answer within 250ms, for 99 % of requests over 30d"
    assert "embedder-minilm-interactive" in lines[1]
    assert "gateway" not in lines[1]
    assert any(line.split()[:5] == ["page", "outage", "4m", "+", "1m"] for line in lines)
    assert max(map(len, lines)) <= 100


def test_an_objective_stands_for_all_models_that_promise_it():
    answer = explain("interactive")

    assert "gateway-search-interactive" in answer.stdout
    assert "available:" not in answer.stdout


def test_without_a_name_all_are_explained():
    assert [line.split(":")[0] for line in explain().stdout.splitlines() if line[:1].isalpha()] == [
        "available",
        "interactive",
        "first-result",
    ]


def test_a_name_that_is_none_is_refused_with_those_that_there_are():
    answer = explain("interactiv")

    assert answer.exit_code == 2
    assert answer.stdout == ""
    assert "no SLO 'interactiv'; there are available, " in answer.stderr


def test_json_has_the_figures_of_the_screen():
    document = json.loads(explain("available", "--json", "--requests-per-hour", "60").stdout)

    (objective,) = document["objectives"]
    assert document["requests_per_hour"] == 60
    assert objective["target_ratio"] == 0.999
    assert [leg["slo_tier"] for leg in objective["legs"]] == ["fast", "medium", "slow", "long"]
    worst = objective["outages"][0]
    assert worst["bad_ratio"] == 1
    # Four failures at 60 requests an hour take four minutes.
    assert worst["page"]["seconds"] == pytest.approx(240)
    assert worst["budget_gone_seconds"] == pytest.approx(2_592)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(51.84, "52 s"), (120, "2.0 min"), (5_400, "90 min"), (26_000, "7.2 h"), (129_600, "36 h"), (1_296_000, "15.0 d")],
)
def test_times_are_written_with_two_digits_that_matter(seconds, text):
    assert time(seconds) == text
