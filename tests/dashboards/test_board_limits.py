"""Boards draw the limits of the alerts, and have rows for what a fleet has."""

from dataclasses import replace
from pathlib import Path

import pytest

from inferometer.fleet.device_prices import STALE_DAYS
from inferometer.fleet.loader import load
from inferometer_alerts import device_alerts, engine_alerts, gpu_alerts, service_alerts, spending
from inferometer_dashboards.boards import boards
from inferometer_dashboards.panels import Kind

FLEET = load(Path(__file__).parents[2] / "examples/fleet.yaml")
PANELS = {(board.uid.value, panel.key): panel for board in boards(FLEET) for panel in board.panels()}
_DAY = 86_400


@pytest.mark.parametrize(
    ("board", "panel", "limit"),
    [
        ("gpu", "throttle", gpu_alerts.HELD_BACK),
        ("gpu", "memory-share", gpu_alerts.FULL),
        ("queues", "waiting-share", service_alerts.QUEUE_SHARE),
        ("queues", "queue-share", service_alerts.QUEUE_SHARE),
        ("llm", "kv-cache", engine_alerts.FULL),
        ("cold-start", "storms", service_alerts.RESTARTS),
        ("cost", "idle", device_alerts.IDLE),
        ("cost", "residual", device_alerts.RESIDUAL),
        ("cost", "price-age", STALE_DAYS * _DAY),
        ("cost", "budget-burn", spending.SUDDEN),
    ],
)
def test_a_limit_is_that_of_the_alert(board, panel, limit):
    assert float(limit) in {step.at for step in PANELS[f"inferometer-{board}", panel].steps}


def test_budgets_of_money_have_a_row_where_fleet_yaml_has_some():
    without = {
        panel.key
        for board in boards(replace(FLEET, budgets=()))
        for panel in board.panels()
        if board.uid == "inferometer-cost"
    }

    assert {"budgets", "budget-burn", "budget-spent"}.isdisjoint(without)
    assert ("inferometer-cost", "budgets") in PANELS


def test_each_state_of_a_gpu_has_a_name_and_a_colour_of_its_own():
    timeline = PANELS["inferometer-gpu", "state"]

    assert timeline.kind is Kind.TIMELINE
    assert [state.text for state in timeline.states] == ["idle", "busy", "held back"]
    assert len({state.colour for state in timeline.states}) == len(timeline.states)


def test_what_most_fleets_lack_is_asked_for_only_when_it_is_opened():
    collapsed = {row.title for board in boards(FLEET) for row in board.rows if row.collapsed}

    assert {"PCIe and NVLink", "MIG", "Who shares them", "What was billed"} <= collapsed
