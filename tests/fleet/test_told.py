"""Who is told and when: teams, routes, budgets of money, times of maintenance."""

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inferometer.errors import FleetError
from inferometer.fleet import budgets, maintenance
from inferometer.fleet.loader import loads
from inferometer.fleet.maintenance import Maintenance, Weekday
from inferometer.fleet.teams import services_by_team, team_of, teams

FLEET = """
version: 1
fleet: demo
team: platform
services:
  gateway: {engine: fastapi, team: search, models: {m: {objectives: [available]}}}
  embedder: {engine: fastapi, models: {m: {objectives: [available]}}}
objectives: {available: {sli: availability, target: 99.9, window: 30d}}
tenants: {header: x-tenant, known: [acme]}
receivers: {oncall: {webhook: {url: "http://a/"}}, team: {webhook: {url: "http://b/"}}}
routes: {page: oncall, ticket: team}
"""


def fleet(more: str = "", routes: str = ""):
    return loads(FLEET.replace("ticket: team}", f"ticket: team{routes}}}") + more)


def refused(more: str = "", routes: str = "") -> str:
    with pytest.raises(FleetError) as error:
        fleet(more, routes)
    return str(error.value)


def test_a_service_without_a_team_of_its_own_is_the_fleets():
    known = fleet()

    assert [team_of(known, service) for service in known.services] == ["search", "platform"]
    assert services_by_team(known) == {"search": ("gateway",), "platform": ("embedder",)}
    assert teams(known) == ("platform", "search")


def test_a_fleet_without_teams_has_none():
    known = loads(FLEET.replace("team: platform\n", "").replace("team: search, ", ""))

    assert teams(known) == ()
    assert [team_of(known, service) for service in known.services] == [None, None]


def test_a_team_and_a_tenant_have_receivers_of_their_own():
    known = fleet(routes=", teams: {search: {page: team}}, tenants: {acme: {ticket: oncall}}")

    assert (known.routes.teams[0].name, known.routes.teams[0].page, known.routes.teams[0].ticket) == (
        "search", "team", None,
    )  # fmt: skip
    assert known.routes.tenants[0].ticket == "oncall"


@pytest.mark.parametrize(
    ("routes", "says"),
    [
        (", teams: {serch: {page: team}}", "there is no team 'serch'"),
        (", teams: {search: {page: tam}}", "there is no receiver 'tam'"),
        (", teams: {search: {}}", "routes.teams.search tells nobody"),
        (", tenants: {acne: {page: team}}", "there is no tenant 'acne'"),
    ],
)
def test_a_route_that_leads_nowhere_is_refused(routes, says):
    message = refused(routes=routes)

    assert says in message
    assert message.startswith("fleet.yaml:11:")


@pytest.mark.parametrize(("amount", "per_hour"), [("usd_per_day: 24", 1), ("usd_per_month: 365", Decimal("0.5"))])
def test_a_budget_is_dollars_an_hour(amount, per_hour):
    (budget,) = fleet(f"budgets: {{all: {{{amount}}}}}").budgets

    assert budgets.usd_per_hour(budget) == per_hour


@pytest.mark.parametrize(
    ("budget", "says"),
    [
        ("{usd_per_day: 1, service: gatway}", "there is no service 'gatway'"),
        ("{usd_per_day: 1, team: sarch}", "there is no team 'sarch'"),
        ("{usd_per_day: 1, tenant: acne}", "there is no tenant 'acne'"),
        ("{usd_per_day: 1, tenant: acme, team: search}", "is of team and tenant"),
        ("{usd_per_day: 1, usd_per_month: 30}", "needs exactly one of usd_per_day, usd_per_month"),
        ("{service: gateway}", "needs exactly one of usd_per_day, usd_per_month"),
        ("{usd_per_day: 0}", "a budget of nothing is always spent"),
    ],
)
def test_a_budget_that_cannot_be_is_refused(budget, says):
    message = refused(f"budgets:\n  b: {budget}\n")

    assert says in message
    assert message.startswith("fleet.yaml:13:")


@pytest.mark.parametrize(
    ("window", "says"),
    [
        ("{from: 22:00, to: 22:00}", "begins when it ends"),
        ("{from: 24:00, to: 00:00}", "begins when it ends"),
        ("{from: 22:00, to: 25:00}", "'25:00' is no time of day"),
        ("{from: 22:60, to: 23:00}", "'22:60' is no time of day"),
        ("{from: 24:01, to: 23:00}", "'24:01' is no time of day"),
        ("{from: 22, to: 23:00}", "'22' is no time of day"),
        ("{from: 22:00, to: 23:00, timezone: Europe/Berln}", "did you mean 'Europe/Berlin'?"),
        ("{from: 22:00, to: 23:00, weekdays: [sundy]}", "did you mean 'sunday'?"),
        ("{from: 22:00, to: 23:00, weekdays: [sunday], dates: [2026-12-01]}", "has weekdays and dates"),
        ("{from: 22:00, to: 23:00, services: [gatway]}", "did you mean 'gateway'?"),
    ],
)
def test_a_time_of_maintenance_that_cannot_be_is_refused(window, says):
    message = refused(f"maintenance:\n  m: {window}\n")

    assert says in message
    assert message.startswith("fleet.yaml:13:")


def test_what_runs_past_midnight_goes_on_with_the_next_day():
    (one,) = fleet(
        "maintenance: {m: {from: 22:30, to: 02:00, weekdays: [saturday, sunday], timezone: Europe/Berlin}}"
    ).maintenance

    first, second = maintenance.intervals(one)

    assert (first.start, first.end, first.weekdays) == (1350, 1440, (Weekday.SATURDAY, Weekday.SUNDAY))
    assert (second.start, second.end, second.weekdays) == (0, 120, (Weekday.SUNDAY, Weekday.MONDAY))


def test_a_date_at_the_end_of_a_year_goes_on_in_the_next():
    (one,) = fleet('maintenance: {m: {from: "23:00", to: 01:00, dates: [2026-12-31]}}').maintenance

    assert [part.day for part in maintenance.intervals(one)] == [date(2026, 12, 31), date(2027, 1, 1)]


@given(start=st.integers(0, 1440), end=st.integers(0, 1440))
def test_the_parts_are_as_long_as_the_whole_and_none_is_empty(start, end):
    if start == end or (start, end) == (1440, 0):
        return
    parts = list(maintenance.intervals(Maintenance(name="m", start=start, end=end)))

    assert all(0 <= part.start < part.end <= 1440 for part in parts)
    assert sum(part.end - part.start for part in parts) == ((end - start) % 1440 or 1440)
