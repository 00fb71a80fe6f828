"""Rules of autoscaling have nothing of what the lint knows to be wrong, and each is needed by some proof."""

import pytest
from scaled_fleet import fleet_text

from inferometer.fleet.loader import loads
from inferometer_alerts.generation import rule_groups
from inferometer_alerts.lint import findings
from inferometer_alerts.time_scale import TimeScale
from mutants.proofs import Generated


@pytest.mark.parametrize("scale", [1, 60], ids=lambda scale: f"scale {scale}")
def test_nothing_is_wrong_with_the_rules(fleet, scale):
    assert [str(one) for one in findings(rule_groups(fleet, TimeScale(scale)), TimeScale(scale))] == []


def test_every_rule_is_needed_by_some_proof():
    generated = Generated.of(loads(fleet_text()))

    ours = [place for place in generated.places if place[0].startswith("autoscaling")]
    assert ours
    assert [generated.rule(place)["record"] for place in ours if not generated.needing(place)] == []
