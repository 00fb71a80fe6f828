"""Each alert leads to the board that answers it, which shows what the alert is about."""

from pathlib import Path

import pytest

from inferometer.fleet import durations
from inferometer.fleet.loader import load
from inferometer.fleet.slos import slos
from inferometer_alerts.generation import alerts
from inferometer_alerts.policy import legs
from inferometer_alerts.rule import Board as Uid
from inferometer_alerts.rule_labels import OBJECTIVE
from inferometer_alerts.slo_alerts import NAMES
from inferometer_alerts.time_scale import TimeScale
from inferometer_dashboards.boards import boards

ROOT = Path(__file__).parents[2]
FLEETS = [load(ROOT / name) for name in ("examples/fleet.yaml", "tools/boards/fleet.yaml")]
ALERTS = {(alert.name, alert.board): alert for fleet in FLEETS for alert in alerts(fleet, TimeScale())}
BOARDS = {board.uid: board for board in boards(FLEETS[1])}
ANSWERS = {
    "GpuThrottledWhileBusy": Uid.GPU,
    "GpuXidError": Uid.GPU,
    "GpuLost": Uid.GPU,
    "InferenceErrorSpike": Uid.VERSIONS,
    "InferenceQueueSaturated": Uid.QUEUES,
    "InferenceBatchStuck": Uid.QUEUES,
    "InferenceColdStartLoop": Uid.COLD_START,
    "InferenceKvCachePressure": Uid.LLM,
    "InferenceFirstTokenSlow": Uid.LLM,
    "InferenceTrafficStopped": Uid.FLEET,
    "InferenceMetricsAbsent": Uid.SELF,
    "InferometerDown": Uid.SELF,
    "InferometerDropping": Uid.SELF,
    "AlertingUndelivered": Uid.SELF,
    "DeviceIdleButBilled": Uid.COST,
    "CostBudgetOverrun": Uid.COST,
    "InferenceBudgetExhausted": Uid.SLO,
}


@pytest.mark.parametrize(("name", "board"), ANSWERS.items())
def test_an_alert_leads_to_the_board_that_answers_it(name, board):
    assert {uid for alert, uid in ALERTS if alert == name} == {board}


def test_a_slow_objective_leads_to_stages_and_a_failing_one_to_who_failed():
    burns = [alert for alert in alerts(FLEETS[0], TimeScale()) if alert.name in NAMES.values()]
    by_objective = {alert.labels[OBJECTIVE.name]: alert.board for alert in burns}

    assert by_objective["interactive"] is Uid.MODEL
    assert by_objective["available"] is Uid.SLO


def test_a_link_of_a_burn_shows_the_whole_window_that_burned():
    for fleet in FLEETS:
        longest = {
            leg.tier: leg.long_ns
            for slo in {slo.objective.name: slo.objective for slo in slos(fleet)}.values()
            for leg in legs(slo)
        }
        shown = {
            alert.tier: durations.parse(alert.shows)
            for alert in alerts(fleet, TimeScale())
            if alert.name in NAMES.values()
        }
        assert shown
        assert all(shown[tier] >= longest[tier] for tier in shown)


@pytest.mark.parametrize("alert", ALERTS.values(), ids=lambda alert: f"{alert.name}-{alert.board}")
def test_the_board_can_be_asked_for_what_the_alert_is_about(alert):
    assert set(alert.variables) <= {variable.label for variable in BOARDS[alert.board].variables}
