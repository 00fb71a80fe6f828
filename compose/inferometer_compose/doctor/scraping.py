"""From the sidecar to Prometheus: whether it is scraped, in which format, and what of it is kept."""

import io
from collections.abc import Iterator, Mapping
from typing import Any, Final

from ruamel.yaml import YAML

from inferometer.catalog import requests
from inferometer.errors import InferometerError
from inferometer_alerts.prometheus import SCRAPE_PROTOCOLS
from inferometer_alerts.traffic_alerts import SCRAPE_JOB
from inferometer_compose import web
from inferometer_compose.doctor.link import Link, Where, broken, whole
from inferometer_compose.doctor.records import MOST_SKEW_SECONDS
from inferometer_compose.prometheus_query import instant

_TEXT: Final = ("PrometheusText0.0.4", "PrometheusText1.0.0")
_FEATURE: Final = "exemplar-storage"


def look(where: Where) -> Iterator[Link]:
    """The links in order; stops where the next ones cannot be seen."""
    try:
        targets = _asked(where, "targets?state=active")["activeTargets"]
        flags = _asked(where, "status/flags")
        jobs = _jobs(where)
    except InferometerError as error:
        yield broken("prometheus", str(error), "start it, or name another with --prometheus")
        return
    yield whole("prometheus", f"{where.prometheus} answers")
    mine = [target for target in targets if target["labels"].get("job") == SCRAPE_JOB]
    yield (scraped := _scraped(where, mine))
    yield from _clock(where)
    if scraped.cure:
        return
    yield _format(jobs.get(SCRAPE_JOB, {}))
    yield _exemplar_storage(flags)


def _scraped(where: Where, targets: list[Mapping[str, Any]]) -> Link:
    if not targets:
        cure = f"add the sidecar to targets/{SCRAPE_JOB}.json beside prometheus.yml: inferometer generate writes both"
        return broken("scrape", f"Prometheus has no target of the job {SCRAPE_JOB}", cure)
    down = [target for target in targets if target["health"] != "up"]
    if down:
        if any("HTTP status 401" in one["lastError"] for one in down):
            cure = "fleet.yaml: `sidecar: {token_file: /run/secrets/…}`, as its --token-file; then inferometer generate"
            return broken("scrape", "the sidecar asks Prometheus who it is, and it shows no token, or another", cure)
        said = "; ".join(f"{one['scrapeUrl']}: {one['lastError'] or 'not scraped yet'}" for one in down)
        return broken("scrape", said, f"let Prometheus reach the sidecar; here it answers at {where.metrics}")
    return whole("scrape", ", ".join(str(one["scrapeUrl"]) for one in targets))


def _clock(where: Where) -> Iterator[Link]:
    now = instant(where.prometheus, "vector(time())")
    ahead = now[0].value - where.clock()
    if abs(ahead) > MOST_SKEW_SECONDS:
        says = f"Prometheus's clock is {abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} this host's"
        yield broken("clock", says, "let both follow a time server (chrony, systemd-timesyncd)")


def _format(job: Mapping[str, Any]) -> Link:
    wanted = job.get("scrape_protocols") or list(SCRAPE_PROTOCOLS[1:])
    if wanted[0] in _TEXT:
        cure = (
            f"scrape_protocols of the job {SCRAPE_JOB}: {SCRAPE_PROTOCOLS[0]} first, as inferometer generate writes it"
        )
        return broken("format", f"the sidecar is scraped as text ({wanted[0]}): no exemplar, no native histogram", cure)
    return whole("format", f"{wanted[0]} first")


def _exemplar_storage(flags: Mapping[str, str]) -> Link:
    if _FEATURE in flags.get("enable-feature", "").split(","):
        return whole("exemplars", "Prometheus keeps them")
    cure = f"start Prometheus with --enable-feature={_FEATURE}"
    return broken("exemplars", "Prometheus throws exemplars away: no dot on a board opens a waterfall", cure)


def _jobs(where: Where) -> dict[str, Mapping[str, Any]]:
    text = _asked(where, "status/config")["yaml"]
    document = YAML(typ="safe").load(io.StringIO(text)) or {}
    return {job["job_name"]: job for job in document.get("scrape_configs", ())}


def _asked(where: Where, path: str) -> Any:
    return web.get_json(f"{where.prometheus}/api/v1/{path}")["data"]


EXEMPLARS_OF: Final = f"{requests.REQUEST_DURATION.name}_bucket"
"""The series whose exemplars boards show as dots."""
