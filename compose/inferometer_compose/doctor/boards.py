"""From the stores to the boards: Grafana, and whether its data sources answer."""

from collections.abc import Iterator
from http import HTTPStatus
from typing import Final

from inferometer.errors import InferometerError
from inferometer_compose import web
from inferometer_compose.doctor.link import Link, Where, broken, unseen, whole
from inferometer_dashboards.provisioning import JAEGER_UID, PROMETHEUS_UID, REGIONS_UID

USUAL: Final = "http://127.0.0.1:3000"


def look(where: Where) -> Iterator[Link]:
    """The links in order; stops where the next ones cannot be seen."""
    base = where.grafana or USUAL
    if not web.answers(f"{base}/api/health"):
        says = f"{base} does not answer"
        yield unseen("grafana", says) if where.grafana is None else broken("grafana", says, "start it")
        return
    yield whole("grafana", f"{base} answers")
    for uid in (PROMETHEUS_UID, JAEGER_UID):
        yield _source(base, uid)
    if _has(base, REGIONS_UID):
        yield _source(base, REGIONS_UID)


def _has(base: str, uid: str) -> bool:
    """Whether Grafana knows a data source that only some installations have."""
    try:
        return web.fetch(f"{base}/api/datasources/uid/{uid}/health").status != HTTPStatus.NOT_FOUND
    except InferometerError:
        return True


def _source(base: str, uid: str) -> Link:
    try:
        answer = web.fetch(f"{base}/api/datasources/uid/{uid}/health")
    except InferometerError as error:
        return broken("datasource", str(error), "look into Grafana's log")
    if answer.status == HTTPStatus.OK:
        return whole("datasource", f"{uid} is healthy")
    if answer.status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        return unseen("datasource", f"{uid}: Grafana lets nobody ask without logging in")
    if answer.status == HTTPStatus.NOT_FOUND:
        cure = "mount what inferometer generate writes at /etc/grafana/provisioning"
        return broken("datasource", f"Grafana has no data source {uid}", cure)
    said = answer.body[:200].decode(errors="replace")
    return broken("datasource", f"{uid} is not healthy: {said}", "its URL in provisioning must be right for Grafana")
