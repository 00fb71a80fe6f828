"""docs/alerts.md names every alert, with how urgent it is."""

import re

import alert_fleets as fleets

from inferometer.fleet.loader import loads
from inferometer_alerts.generation import alerts
from inferometer_alerts.time_scale import TimeScale


def test_the_page_on_alerts_has_each_of_them_with_its_severity():
    text = (fleets.ROOT / "docs/alerts.md").read_text()

    documented = dict(re.findall(r"^\| `(\w+)` \| (\w+) \|", text, re.MULTILINE))

    assert documented == {alert.name: alert.severity.value for alert in alerts(fleets.hostile(), TimeScale(1))}


def test_what_the_page_writes_into_fleet_yaml_can_be_read():
    blocks = re.findall(r"```yaml\n(.*?)```", (fleets.ROOT / "docs/alerts.md").read_text(), re.DOTALL)
    about_people = [block for block in blocks if "routes:" in block or "budgets:" in block]
    rest = """
version: 1
fleet: documented
objectives: {available: {sli: availability, target: 99.9, window: 30d}}
tenants: {header: x-tenant, known: [acme]}
"""

    fleet = loads(rest + "".join(about_people))

    assert (len(fleet.maintenance), len(fleet.budgets), fleet.routes.heartbeat) == (2, 2, "watch")
