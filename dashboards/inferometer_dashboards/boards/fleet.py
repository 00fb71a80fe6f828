"""The board *Fleet*: are users well served, and where not?"""

from collections.abc import Iterator

from inferometer import promql
from inferometer.catalog import devices
from inferometer.catalog.labels import DEVICE, DEVICE_STATE, MODEL, OUTCOME, SERVICE, SLO, VERSION
from inferometer.catalog.requests import IN_FLIGHT, REQUESTS
from inferometer.catalog.stages import FAILED
from inferometer.fleet import durations
from inferometer.fleet.model import Fleet
from inferometer.fleet.slos import slos
from inferometer.promql import Expr
from inferometer_alerts import recorded
from inferometer_alerts.policy import legs
from inferometer_alerts.recorded import OF_MODEL, QUANTILE
from inferometer_alerts.rule import Board as Uid
from inferometer_dashboards.panels import (
    RATE_INTERVAL,
    Board,
    Colour,
    Kind,
    Panel,
    Query,
    Row,
    Show,
    Step,
    Variable,
    chosen,
    named,
)
from inferometer_dashboards.sql import budgets, latency
from inferometer_dashboards.sql import fleet as sql

_CHOSEN = chosen(SERVICE, MODEL)
_SHOWN_TIERS = ("fast", "slow")


def overview(fleet: Fleet) -> Board:
    """Requests, failures and tails per model; what is left of each budget; what devices do."""
    return Board(
        uid=Uid.FLEET,
        title="Inference fleet",
        description="Are users well served, and where not? From a model's row go on to its latency.",
        variables=(
            Variable(label=SERVICE, family=REQUESTS),
            Variable(label=MODEL, family=REQUESTS, within=(SERVICE,)),
        ),
        rows=(
            Row(title="Promises", panels=(_budget_left(), _burn(fleet))),
            Row(title="Models", panels=(_models(), _requests(), _errors(), _tail())),
            Row(title="Load", panels=(_in_flight(), _devices())),
        ),
    )


def _budget_left() -> Panel:
    return Panel(
        key="budget-left",
        title="Error budget left",
        description=(
            "Share of each objective's error budget that is left of its period; below 0 the promise is broken. "
            "Low and falling: look at the burn rate beside it, then at that model's latency board. Low and steady: "
            "something burned it earlier; put risky releases off until the period has moved on."
        ),
        unit=Show.RATIO,
        kind=Kind.BARS,
        sql=budgets.BUDGET_LEFT,
        promql=(Query(expr=promql.select(recorded.SLO_BUDGET_LEFT, *_CHOSEN), legend=named(SLO), instant=True),),
        steps=(Step(0.0, Colour.WATCH), Step(0.25, Colour.GOOD)),
        maximum=1.0,
    )


def _burn(fleet: Fleet) -> Panel:
    return Panel(
        key="burn-rate",
        title="How fast budgets burn",
        description=(
            "Bad events as a multiple of what the objective allows: at 1 the budget lasts exactly its period. Far "
            "above 1 for the shorter window: something is broken now, the alert's runbook says what to do. A little "
            "above 1 for days: plan the work before the budget is gone."
        ),
        unit=Show.MULTIPLE,
        kind=Kind.LINES,
        sql=budgets.BURN_RATE,
        promql=tuple(
            Query(
                expr=promql.select(recorded.burn_rate(window), *_CHOSEN),
                legend=named(SLO, then=window),
            )
            for window in _burn_windows(fleet)
        ),
        steps=(Step(1.0, Colour.WATCH),),
    )


def _burn_windows(fleet: Fleet) -> Iterator[str]:
    """One window that shows what breaks now, and one that shows what leaks; each objective has its own."""
    watched = [leg for slo in slos(fleet) for leg in legs(slo.objective)]
    for tier in _SHOWN_TIERS:
        yield from (durations.render(ns) for ns in sorted({leg.long_ns for leg in watched if leg.tier == tier}))


def _models() -> Panel:
    return Panel(
        key="models",
        title="Models",
        description=(
            "One line per model, now; each hop counts for the model that served it. Open a model to see where its "
            "time goes. A model that fails or is slow beside others that are well has its own cause; when all turn "
            "bad together, look at what they share: devices, network, a release."
        ),
        unit=Show.COUNT,
        kind=Kind.TABLE,
        sql=sql.MODELS,
        promql=(
            Query(expr=_rate(), legend="Requests/s", instant=True, show=Show.PER_SECOND),
            Query(expr=_error_ratio(), legend="Failed", instant=True, show=Show.RATIO),
            Query(expr=promql.max_by(_p99(), *OF_MODEL), legend="p99", instant=True, show=Show.SECONDS),
            Query(
                expr=promql.select(recorded.MODEL_PER_1K, *_CHOSEN),
                legend="Cost per 1k",
                instant=True,
                show=Show.USD,
            ),
        ),
        width=24,
    )


def _rate() -> Expr:
    return promql.sum_by(promql.select(recorded.MODEL_REQUESTS, *_CHOSEN), *OF_MODEL)


def _error_ratio() -> Expr:
    outcomes = promql.one_of(OUTCOME, [outcome.label for outcome in FAILED])
    failed = promql.sum_by(promql.select(recorded.MODEL_REQUESTS, *_CHOSEN, outcomes), *OF_MODEL)
    return failed / (_rate() > 0)


def _p99() -> Expr:
    return promql.select(recorded.MODEL_DURATION, *_CHOSEN, promql.equal(QUANTILE, "0.99"))


def _requests() -> Panel:
    return Panel(
        key="requests",
        title="Requests per second",
        description=(
            "Requests that ended, per model. A line that falls to 0 while others go on: callers of that model are "
            "gone or cannot reach it. All lines fall: look at what stands in front of the fleet."
        ),
        unit=Show.PER_SECOND,
        kind=Kind.LINES,
        sql=sql.REQUESTS,
        promql=(Query(expr=_rate(), legend=named(SERVICE, MODEL)),),
        width=8,
    )


def _errors() -> Panel:
    return Panel(
        key="errors",
        title="Failed requests",
        description=(
            "Share of requests that ended in an error of the server, a timeout or a refusal; faults of clients do "
            "not count. When it rises: find the model, open its failed traces in Jaeger from the line's link, and "
            "compare with the last release."
        ),
        unit=Show.RATIO,
        kind=Kind.LINES,
        sql=sql.ERRORS,
        promql=(Query(expr=_error_ratio(), legend=named(SERVICE, MODEL)),),
        width=8,
    )


def _tail() -> Panel:
    return Panel(
        key="tail",
        title="p99 of the duration",
        description=(
            "One request in a hundred takes longer, per model and version. A version above the one beside it: stop "
            "the rollout. One model above its usual level: its latency board shows which stage grew."
        ),
        unit=Show.SECONDS,
        kind=Kind.LINES,
        sql=latency.quantiles("duration", ("0.99",), SERVICE.name, MODEL.name, VERSION.name),
        promql=(Query(expr=_p99(), legend=named(SERVICE, MODEL, VERSION)),),
        width=8,
    )


def _in_flight() -> Panel:
    return Panel(
        key="in-flight",
        title="Requests in flight",
        description=(
            "Requests that are open now, per service. It rises with load or with latency; rising while requests per "
            "second do not: work piles up. Add replicas, or find the stage that grew."
        ),
        unit=Show.COUNT,
        kind=Kind.LINES,
        promql=(
            Query(
                expr=promql.sum_by(promql.select(IN_FLIGHT, *chosen(SERVICE)), SERVICE),
                legend=named(SERVICE),
            ),
        ),
    )


def _devices() -> Panel:
    spent = promql.rate(promql.select(devices.LEDGER), RATE_INTERVAL)
    return Panel(
        key="devices",
        title="What devices do",
        description=(
            "Share of each device's time by state; the states of a device sum to 100 %. Attributed near 100 %: it "
            "is full, add one or make batches larger. Mostly idle: it costs the same; the cost board says how much. "
            "Unobserved: the sidecar was down."
        ),
        unit=Show.RATIO,
        kind=Kind.STACK,
        sql=sql.DEVICES,
        promql=(Query(expr=promql.sum_by(spent, DEVICE, DEVICE_STATE), legend=named(DEVICE, DEVICE_STATE)),),
    )
