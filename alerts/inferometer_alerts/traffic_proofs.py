"""Proofs of the alerts on models that report nothing: who promised, who was seen, who tells of requests now.

What the rules of objectives record is given as it is, so none of those rules is needed beside them.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from inferometer import promql
from inferometer.catalog.labels import MODEL, SERVICE, SLO
from inferometer.catalog.requests import REQUESTS, SLO_EVENTS
from inferometer.promql import Family, Matcher
from inferometer_alerts import recorded_slos
from inferometer_alerts.rule import Case

_Models = tuple[tuple[str, str], ...]
_FOR_LONG: Final = "1x400"
_A_DEVICE: Final = promql.equal(SLO, "gpus-there")
_OF_A_DEVICE: Final = (promql.equal(SERVICE, ""),)


def absent() -> Iterator[Case]:
    """Seen within a day, and nobody tells of it now."""
    fires, quiet = "7m", "4m"
    yield _case(("gone", "m"), promised=(("gone", "m"),), seen=(("gone", "m"),), fires=(fires,), quiet=(quiet,))
    # Others of the same service, or of the same name, were seen, or tell of requests.
    yield _case(("new", "n"), promised=(("new", "n"),), seen=(("new", "m"),), quiet=(fires,))
    yield _case(("fresh", "m"), promised=(("fresh", "m"),), seen=(("old", "m"),), quiet=(fires,))
    yield _case(
        ("silent", "m"), promised=(("silent", "m"),), seen=(("silent", "m"),), judged=(("silent", "n"), ("loud", "m")),
        fires=(fires,),
    )  # fmt: skip
    for number, (judged, counted) in enumerate(((True, False), (False, True), (True, True))):
        model = (f"tells{number}", "m")
        yield _case(
            model, promised=(model,), seen=(model,), judged=(model,) * judged, counted=(model,) * counted,
            quiet=(fires,),
        )  # fmt: skip
    yield Case(
        series={**_one(recorded_slos.SLO_INFO, _A_DEVICE), **_one(recorded_slos.SLO_EVENTS_TILE, _A_DEVICE)},
        only=_OF_A_DEVICE, quiet=(fires,), about=frozenset({"devices"}), given=True,
    )  # fmt: skip
    yield _remembered("left", fires="20h", quiet="25h")


def never_reported() -> Iterator[Case]:
    """Nobody saw it within a day, and nobody tells of it now."""
    fires, quiet = "33m", "28m"
    yield _case(("missing", "m"), promised=(("missing", "m"),), fires=(fires,), quiet=(quiet,))
    yield _case(
        ("typo", "m"), promised=(("typo", "m"),), seen=(("typo", "n"),), judged=(("right", "m"),), fires=(fires,)
    )
    for number in range(1, 8):
        model = (f"known{number}", "m")
        seen, judged, counted = ((model,) * bool(number & bit) for bit in (1, 2, 4))
        yield _case(model, promised=(model,), seen=seen, judged=judged, counted=counted, quiet=(fires,))
    yield Case(
        series=_one(recorded_slos.SLO_INFO, _A_DEVICE),
        only=_OF_A_DEVICE, quiet=(fires,), about=frozenset({"devices"}), given=True,
    )  # fmt: skip
    yield _remembered("forgotten", fires="25h", quiet="20h")


def _of(model: tuple[str, str]) -> tuple[Matcher, ...]:
    service, name = model
    return promql.equal(SERVICE, service), promql.equal(MODEL, name)


def _one(family: Family, *matchers: Matcher, values: str = _FOR_LONG) -> Mapping[str, str]:
    return {promql.select(family, *matchers).text: values}


def _case(
    model: tuple[str, str],
    *,
    promised: _Models,
    seen: _Models = (),
    judged: _Models = (),
    counted: _Models = (),
    fires: tuple[str, ...] = (),
    quiet: tuple[str, ...] = (),
) -> Case:
    told = (
        (recorded_slos.SLO_INFO, promised),
        (recorded_slos.SLO_EVENTS_TILE, seen),
        (SLO_EVENTS, judged),
        (REQUESTS, counted),
    )
    return Case(
        series={
            text: values for family, some in told for one in some for text, values in _one(family, *_of(one)).items()
        },
        only=_of(model),
        fires=fires,
        quiet=quiet,
        about=frozenset(service for _, some in told for service, _ in some),
        given=True,
    )


def _remembered(service: str, *, fires: str, quiet: str) -> Case:
    """Promised for two days, and seen once at their start."""
    model = _of((service, "m"))
    return Case(
        series={
            **_one(recorded_slos.SLO_INFO, *model, values="1x200"),
            **_one(recorded_slos.SLO_EVENTS_TILE, *model, values="1 stale"),
        },
        only=model,
        fires=(fires,),
        quiet=(quiet,),
        step="15m",
        evaluation="15m",
        about=frozenset({service}),
        given=True,
    )
