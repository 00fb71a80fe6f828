"""docs/alerts.md names every alert, with how urgent it is."""

import importlib.util
import re
from pathlib import Path

from inferometer_alerts.generation import alerts
from inferometer_alerts.time_scale import TimeScale

_SPEC = importlib.util.spec_from_file_location("fleets", Path(__file__).with_name("fleets.py"))
fleets = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(fleets)


def test_the_page_on_alerts_has_each_of_them_with_its_severity():
    text = (fleets.ROOT / "docs/alerts.md").read_text()

    documented = dict(re.findall(r"^\| `(\w+)` \| (\w+) \|", text, re.MULTILINE))

    assert documented == {alert.name: alert.severity.value for alert in alerts(fleets.hostile(), TimeScale(1))}
