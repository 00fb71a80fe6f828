"""From fleet.yaml to what is counted and evaluated: buckets at the thresholds, rules as they would be made now."""

from collections.abc import Iterator
from typing import Final

import promql_parser

from inferometer.catalog import requests
from inferometer.errors import InferometerError
from inferometer.fleet.model import Fleet
from inferometer.fleet.objective import Sli
from inferometer.fleet.summary import thresholds
from inferometer_alerts import generation
from inferometer_alerts.rule import Alert
from inferometer_alerts.time_scale import TimeScale
from inferometer_compose import web
from inferometer_compose.doctor.link import Link, Where, broken, unseen, whole

_SECOND: Final = 1e9
_SERIES: Final = {
    Sli.LATENCY: requests.REQUEST_DURATION,
    Sli.TIME_TO_FIRST_CHUNK: requests.TIME_TO_FIRST_CHUNK,
    Sli.TIME_TO_FIRST_TOKEN: requests.TIME_TO_FIRST_TOKEN,
    Sli.TIME_PER_OUTPUT_TOKEN: requests.TIME_PER_OUTPUT_TOKEN,
}
_NAMES: Final = frozenset(series.name for series in _SERIES.values())
_SHOWN: Final = 3
"""Names of rules in one line."""


def look(where: Where) -> Iterator[Link]:
    """The links in order."""
    if where.fleet is None:
        yield unseen("thresholds", "--config names the fleet.yaml to compare with")
        yield unseen("rules", "--config names the fleet.yaml to compare with")
        return
    try:
        yield _thresholds(where, where.fleet)
    except InferometerError as error:
        yield unseen("thresholds", str(error))
    try:
        yield _rules(where, where.fleet)
    except InferometerError as error:
        yield unseen("rules", str(error))


def _thresholds(where: Where, fleet: Fleet) -> Link:
    promised = thresholds(fleet)
    ends: dict[tuple[str, str, str], set[float]] = {}
    for one in where.page:
        if (family := one.name.removesuffix("_bucket")) in _NAMES:
            of = (family, one.labels.get("service", ""), one.labels.get("model", ""))
            ends.setdefault(of, set()).add(float(one.labels["le"]))
    lacking = [
        f"{limit.ns / _SECOND:g} s of {service}{' ' + model if model else ''} in {family}"
        for (family, service, model), there in sorted(ends.items())
        for objective in promised.objectives_of(service, model)
        for limit in objective.limits
        if limit.stage is None and _SERIES[limit.sli].name == family and limit.ns / _SECOND not in there
    ]
    if lacking:
        cure = "inferometer generate, then start the sidecar with its thresholds.json (--thresholds)"
        return broken("thresholds", f"no bucket ends at {', '.join(lacking)}: the sidecar has another fleet.yaml", cure)
    return whole("thresholds", "every threshold is the end of a bucket")


def _rules(where: Where, fleet: Fleet) -> Link:
    made = _made(fleet, TimeScale(where.time_scale))
    loaded = _loaded(where)
    missing = sorted(made.keys() - loaded.keys())
    changed = sorted(name for name in made.keys() & loaded.keys() if made[name] != loaded[name])
    if not missing and not changed:
        return whole("rules", f"{sum(map(len, made.values()))} rules as fleet.yaml makes them")
    said = " and ".join(
        f"{len(names)} {what} ({', '.join(names[:_SHOWN])}{', …' if len(names) > _SHOWN else ''})"
        for names, what in ((missing, "not loaded"), (changed, "otherwise"))
        if names
    )
    return broken("rules", f"rules of fleet.yaml in Prometheus: {said}", "inferometer generate, then reload Prometheus")


def _made(fleet: Fleet, scale: TimeScale) -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for groups in generation.rule_groups(fleet, scale).values():
        for group in groups:
            for rule in group.rules:
                name = rule.name if isinstance(rule, Alert) else rule.series.name
                found.setdefault(name, set()).add(_canonical(rule.expr.text))
    return {name: frozenset(texts) for name, texts in found.items()}


def _loaded(where: Where) -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for group in web.get_json(f"{where.prometheus}/api/v1/rules")["data"]["groups"]:
        for rule in group["rules"]:
            found.setdefault(str(rule["name"]), set()).add(_canonical(str(rule["query"])))
    return {name: frozenset(texts) for name, texts in found.items()}


def _canonical(text: str) -> str:
    """An expression however it is spaced and its durations are written."""
    return str(promql_parser.parse(text))
