"""From Prometheus to whoever is told: Alertmanager, the routes, the receivers."""

import io
from collections.abc import Iterator, Mapping
from typing import Any, Final

from ruamel.yaml import YAML

from inferometer.errors import InferometerError
from inferometer_alerts.rule import Severity
from inferometer_compose import web
from inferometer_compose.doctor.link import Link, Where, broken, whole
from inferometer_exporters.pages.exposition import points

_FAILED: Final = "alertmanager_notifications_failed_total"
_SENT: Final = "alertmanager_notifications_total"
_TOLD: Final = (Severity.PAGE, Severity.TICKET)


def look(where: Where) -> Iterator[Link]:
    """The links in order; stops where the next ones cannot be seen."""
    try:
        known = web.get_json(f"{where.prometheus}/api/v1/alertmanagers")["data"]["activeAlertmanagers"]
    except InferometerError:
        return
    if not known:
        cure = "targets/alertmanager.json beside prometheus.yml names it: inferometer generate writes both"
        yield broken("alertmanager", "Prometheus tells nobody of its alerts: it knows no Alertmanager", cure)
        return
    base = str(known[0]["url"]).removesuffix("/api/v2/alerts")
    try:
        status = web.get_json(f"{base}/api/v2/status")
        page = points(web.fetch(f"{base}/metrics").body)
    except InferometerError as error:
        yield broken("alertmanager", str(error), "start it; until then alerts fire and nobody is told")
        return
    yield whole("alertmanager", f"{base} answers")
    yield _routes(YAML(typ="safe").load(io.StringIO(status["config"]["original"])) or {})
    failed = {one.labels.get("integration", ""): one.value for one in page if one.name == _FAILED and one.value}
    sent = sum(one.value for one in page if one.name == _SENT)
    if failed:
        said = ", ".join(f"{name} ({count:.0f} times)" for name, count in sorted(failed.items()))
        yield broken(
            "receivers", f"notifications fail: {said}", "Alertmanager's log says why; check address and secret"
        )
    else:
        yield whole("receivers", f"{sent:.0f} notifications sent, none failed")


def _routes(document: Mapping[str, Any]) -> Link:
    told = {receiver["name"] for receiver in document.get("receivers", ()) if len(receiver) > 1}
    silent = [
        severity.value
        for severity in _TOLD
        if not _receivers(document.get("route", {}), {"severity": severity.value}) & told
    ]
    if silent:
        says = f"alerts of severity {' and '.join(silent)} reach a receiver that tells nobody"
        return broken("routes", says, "routes in fleet.yaml: give each a receiver with an address, then generate")
    return whole("routes", "pages and tickets have a receiver")


def _receivers(route: Mapping[str, Any], labels: Mapping[str, str]) -> set[str]:
    """Whom an alert with these labels reaches; matchers on other labels are taken to match."""
    found: set[str] = set()
    for child in route.get("routes", ()):
        if all(_may_match(matcher, labels) for matcher in child.get("matchers", ())):
            found |= _receivers({"receiver": route.get("receiver"), **child}, labels)
            if not child.get("continue"):
                return found
    return found | {route.get("receiver", "")}


def _may_match(matcher: str, labels: Mapping[str, str]) -> bool:
    name, _, value = matcher.partition("=")
    wanted = labels.get(name.strip())
    return wanted is None or value.strip().strip('"') == wanted
