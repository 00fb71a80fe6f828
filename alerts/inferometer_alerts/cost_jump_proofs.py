"""Proofs of the alert on requests that cost more since a deploy."""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Final

from inferometer import promql
from inferometer.catalog.labels import MODEL, REGION, SERVICE, VERSION
from inferometer.catalog.requests import COLD_STARTS, COST, REQUESTS
from inferometer_alerts.rule import Case
from inferometer_alerts.samples import Phase, counter

_DAY: Final = ((24, "1"),)
_MINE: Final = ("embedder", "minilm")
_REGIONS: Final = ("eu", "us")
_QUARTERS: Final = 4

History = Sequence[tuple[int, str]]
"""Hours, and dollars per 1,000 requests in them."""


def cases() -> Iterator[Case]:
    """Of how much, of what, since when; beside other models and services; with a past."""
    yield _case(cost="1.65", new="v2", fires=("26h",), quiet=("23h", "24h"))
    yield _case(cost="1.65", new="v2", fires=("25h5m",), quiet=("24h50m",), evaluation="5m")
    yield _case(cost="1.35", new="v2", quiet=("26h",))
    yield _case(cost="1.65", new="v2", requests="20", quiet=("26h",))
    yield _case(cost="1.65", new="v2", requests="28", fires=("26h",))
    # It was cheap, or for nothing, of which there is no factor.
    yield _case(before=((24, "0.5"),), cost="0.9", new="v2", fires=("26h",))
    yield _case(before=((24, "0"),), cost="1.65", new="v2", quiet=("26h",))
    # The same version: inputs grew, or a process was started from another image of the same name.
    yield _case(cost="1.65", new="v1", quiet=("26h",))
    yield _case(cost="1.65", new="v1", started=_MINE[0], hours=30, fires=("26h", "42h"), quiet=("23h", "50h"))
    yield _case(cost="1.65", new="v1", started="search", quiet=("26h",))
    # After a day it is what the model costs.
    yield _case(cost="1.65", new="v2", hours=36, fires=("30h", "46h"), quiet=("50h",))
    # The day that ended a day ago had two halves; what was before it is forgotten.
    yield _case(before=((14, "0.4"), (34, "1.6")), cost="1.65", new="v2", fires=("50h",))
    yield _case(before=((24, "0.2"), (48, "1")), cost="1.35", new="v2", quiet=("74h",))
    # Another model of the service, and a model of that name in another service, have had a v2 for long.
    beside = {
        text: values
        for of in ((_MINE[0], "e5"), ("search", _MINE[1]))
        for text, values in _samples(of, "v2", ((28, "0.1"),), requests="40").items()
    }
    yield _case(cost="1.65", new="v2", beside=beside, fires=("26h",))


def _case(
    *,
    cost: str,
    new: str,
    before: History = _DAY,
    requests: str = "40",
    started: str = "",
    hours: int = 4,
    beside: Mapping[str, str] | None = None,
    fires: tuple[str, ...] = (),
    quiet: tuple[str, ...] = (),
    evaluation: str = "15m",
) -> Case:
    """Some hours of v1, then a deploy; so many *requests* in each quarter of an hour.

    Args:
        cost: dollars per 1,000 requests since then.
        new: version since then.
        before: what they cost before.
        requests: half of them come from each of two regions.
        started: service that had new processes.
        hours: since the deploy.
        beside: other samples.
        fires: from the start.
        quiet: from the start.
        evaluation: between two rounds.
    """
    day = sum(hours for hours, _ in before)
    samples = dict(beside or {})
    if new == "v1":
        samples |= _samples(_MINE, "v1", (*before, (hours, cost)), requests)
    else:
        samples |= _samples(_MINE, "v1", before, requests)
        samples |= _samples(_MINE, new, ((hours, cost),), requests, after=day)
    for service in (_MINE[0], "search"):
        starts = promql.select(COLD_STARTS, promql.equal(SERVICE, service)).text
        samples[starts] = f"2x{day * _QUARTERS} {2 + 2 * (service == started)}x{hours * _QUARTERS}"
    service, model = _MINE
    return Case(
        series=samples,
        only=(promql.equal(SERVICE, service), promql.equal(MODEL, model)),
        fires=fires,
        quiet=quiet,
        step="15m",
        evaluation=evaluation,
    )


def _samples(of: tuple[str, str], version: str, history: History, requests: str, *, after: int = 0) -> dict[str, str]:
    """Requests of a version, and what they cost, in two regions; none for some hours."""
    rise = Decimal(requests) / len(_REGIONS)
    steps = [(hours * _QUARTERS, Decimal(usd)) for hours, usd in history]
    missing = f"_x{after * _QUARTERS} " if after else ""
    service, model = of
    made = {}
    for region in _REGIONS:
        matchers = (
            promql.equal(SERVICE, service), promql.equal(MODEL, model), promql.equal(VERSION, version),
            promql.equal(REGION, region),
        )  # fmt: skip
        made[promql.select(REQUESTS, *matchers).text] = missing + counter(Phase(count, rise) for count, _ in steps)
        made[promql.select(COST, *matchers).text] = missing + counter(
            Phase(count, rise * usd / 1000) for count, usd in steps
        )
    return made
