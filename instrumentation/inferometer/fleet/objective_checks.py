"""What one key of an objective says of another: which SLI has which, which requests there are, which windows."""

from collections.abc import Iterator
from typing import Final

from inferometer.fleet import durations
from inferometer.fleet.document import Mapping, Value, at, wrong
from inferometer.fleet.model import Fleet
from inferometer.fleet.objective import TIMES, Sli
from inferometer.fleet.promises import ObjectiveEntry, Override, Per
from inferometer.fleet.scalars import nearest
from inferometer.fleet.thresholds import OTHER_TENANT

SHORTEST_WINDOW_NS: Final = durations.parse("1d")
LONGEST_WINDOW_NS: Final = durations.parse("90d")
_SHORTEST_STALE_NS: Final = durations.parse("1m")
_LONGEST_STALE_NS: Final = durations.parse("1d")

_HAS: Final[dict[str, frozenset[Sli]]] = {
    "threshold": frozenset({*TIMES, Sli.FRESHNESS}),
    "stage": frozenset({Sli.LATENCY}),
    "within": frozenset({Sli.GOODPUT}),
    "usd_per_1k": frozenset({Sli.COST_PER_1K}),
}
"""Keys that only some SLIs have."""
_NEEDED: Final = {
    "threshold": "add `threshold: 250ms`: {sli} is good up to a time",
    "within": "add `within: {{time_to_first_token: 500ms, time_per_output_token: 50ms}}`: {sli} keeps limits",
    "usd_per_1k": "add `usd_per_1k: 0.50`: {sli} is good up to an amount",
}
_INSTEAD: Final = {"threshold": Sli.LATENCY, "stage": Sli.LATENCY, "within": Sli.GOODPUT, "usd_per_1k": Sli.COST_PER_1K}


def check(fleet: Fleet, root: Mapping) -> None:
    """Check every objective by itself.

    Raises:
        FleetError: it says what cannot be right.
    """
    if fleet.defaults.window_ns is not None:
        check_window(fleet.defaults.window_ns, at(root, "defaults", "window"), "defaults.window")
    for entry in fleet.objectives:
        place, what = at(root, "objectives", entry.name), f"objectives.{entry.name}"
        _check_window(entry, place, what)
        if entry.target is None and fleet.defaults.target is None:
            raise wrong(place, f"{what} lacks the key 'target'", "add `target: 99.9`: Share that is good in percent.")
        check_keys(entry, entry.sli, place, what)
        for key, why in _NEEDED.items():
            if entry.sli in _HAS[key] and _given(entry, key) is None:
                raise wrong(place, f"{what} lacks the key {key!r}", why.format(sli=entry.sli))
        _check_scope(fleet, entry, place, what)


def _check_window(entry: ObjectiveEntry, place: Value, what: str) -> None:
    if entry.window_ns is not None:
        check_window(entry.window_ns, at(place, "window"), f"{what}.window")


def check_window(window_ns: int, place: Value, what: str) -> None:
    """Check a window.

    Raises:
        FleetError: burn-rate alerts cannot watch it.
    """
    if not SHORTEST_WINDOW_NS <= window_ns <= LONGEST_WINDOW_NS:
        raise wrong(place, f"{what}: {durations.render(window_ns)} cannot be kept", "write 1d to 90d, for instance 30d")


def _given(said: ObjectiveEntry | Override, key: str) -> object:
    """What is said for a key; None: nothing. An override has no stage."""
    return getattr(said, "threshold_ns" if key == "threshold" else key, None)


def check_keys(said: ObjectiveEntry | Override, sli: Sli, place: Value, what: str) -> None:
    """Check that an objective, or what overrides it, has keys of its SLI only, and values that can be told.

    Raises:
        FleetError: it has not.
    """
    for key, slis in _HAS.items():
        if _given(said, key) is not None and sli not in slis:
            raise wrong(
                at(place, key),
                f"{what} has a {key}, but {sli} has none",
                f"remove it, or write `sli: {_INSTEAD[key]}`",
            )
    if said.within is not None and not said.within.limits:
        raise wrong(at(place, "within"), f"{what}.within has no limit", "write {time_to_first_token: 500ms}")
    stale = said.threshold_ns
    if sli is Sli.FRESHNESS and stale is not None and not _SHORTEST_STALE_NS <= stale <= _LONGEST_STALE_NS:
        raise wrong(
            at(place, "threshold"),
            f"{what}.threshold: {durations.render(stale)} without an answer cannot be told",
            "write 1m to 1d: it is looked at every half minute",
        )


def _check_scope(fleet: Fleet, entry: ObjectiveEntry, place: Value, what: str) -> None:
    scope = entry.scope
    asked = {"tenant": scope.tenant, "version": scope.version, "class": scope.request_class}
    known = {"tenant": _tenants(fleet), "class": fleet.classes}
    for key, value in asked.items():
        if value is None:
            continue
        where = at(place, "for", key)
        if key in known and value not in known[key]:
            raise wrong(where, f"there is no {key} {value!r}", nearest(value, known[key]))
        _check_known(entry.sli, key, where, what)
    if entry.per is None:
        return
    where = at(place, "per")
    key = entry.per.value
    if not known[key]:
        raise wrong(where, f"{what} is per {key}, but there is no {key}", _ADD[entry.per])
    if asked[key] is not None:
        raise wrong(where, f"{what} is for one {key} and per {key}", "remove one of the two")
    _check_known(entry.sli, key, where, what)


_ADD: Final = {
    Per.TENANT: "add `tenants: {header: x-tenant, known: [acme]}`",
    Per.CLASS: "add `classes: [interactive, batch]`",
}


def _tenants(fleet: Fleet) -> tuple[str, ...]:
    return (*fleet.tenants.known, OTHER_TENANT) if fleet.tenants else ()


def _check_known(sli: Sli, key: str, place: Value, what: str) -> None:
    if key not in set(_told_apart(sli)):
        apart = ", ".join(_told_apart(sli)) or "nothing"
        raise wrong(place, f"{what} is for a {key}, but {sli} is told apart by {apart}", "remove it")


def _told_apart(sli: Sli) -> Iterator[str]:
    if sli is not Sli.GPU_AVAILABILITY:
        yield "tenant"
        if sli is not Sli.COST_PER_1K:
            yield from ("version", "class")
