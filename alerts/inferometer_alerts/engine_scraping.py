"""Scrape jobs and targets of foreign engines that Prometheus reads itself."""

import json
import re
from collections.abc import Container, Iterator
from itertools import count
from typing import Final
from urllib.parse import urlsplit

from inferometer.catalog.labels import SERVICE
from inferometer.fleet import engines
from inferometer.fleet.engines import Mapping
from inferometer.fleet.model import Fleet
from inferometer.fleet.page_access import PageAccess
from inferometer.fleet.service import ScrapedBy, Service
from inferometer.fleet.summary import only_model
from inferometer.promql import quote_regex
from inferometer_alerts import scrape_access
from inferometer_alerts.engine_rules import INTERVAL, Job, rules
from inferometer_alerts.engine_selectors import SAID_MODEL
from inferometer_alerts.time_scale import TimeScale
from inferometer_alerts.yaml_text import Yaml

FILE: Final = "engine-series"
"""Name of the rule file."""
_UNSAFE: Final = re.compile(r"[^a-zA-Z0-9.-]")
_PORTS: Final = {"http": 80, "https": 443}


def jobs(fleet: Fleet) -> dict[Job, list[Service]]:
    """Jobs with their services, by engine, version and what their pages ask for."""
    alike: dict[tuple[str, str | None, PageAccess | None], list[Service]] = {}
    for service in fleet.services:
        if not service.instrumented and service.pages and service.scraped_by is ScrapedBy.PROMETHEUS:
            alike.setdefault((service.engine.value, service.version, service.access), []).append(service)
    found: dict[Job, list[Service]] = {}
    names: set[str] = set()
    for (engine, version, access), services in alike.items():
        name = _name(engine, version, services[0].name if access else None, names)
        names.add(name)
        found[Job(name=name, engine=engine, version=version, access=access)] = services
    return found


def _name(engine: str, version: str | None, service: str | None, taken: Container[str]) -> str:
    """A job's name, of a service's own where that has access of its own; no two are the same."""
    parts = ("engine", engine, *(_UNSAFE.sub("-", part) for part in (version, service) if part))
    name = "-".join(parts)
    further = (f"{name}-{number}" for number in count(2))
    return name if name not in taken else next(one for one in further if one not in taken)


def document(fleet: Fleet, scale: TimeScale) -> Yaml | None:
    """The rule file; None where Prometheus reads no engine itself."""
    groups: list[Yaml] = [
        {"name": job.name, "interval": scale.every(INTERVAL), "rules": rules(job)} for job in jobs(fleet)
    ]
    return {"groups": groups} if groups else None


def scrape_configs(fleet: Fleet, scale: TimeScale) -> Iterator[Yaml]:
    """Jobs as prometheus.yml has them."""
    for job in jobs(fleet):
        mappings = [engines.load(name) for name in (job.engine, *engines.load(job.engine).contains)]
        keep = "|".join(sorted({name for mapping in mappings for name in _names(mapping)}))
        renames = [rename for mapping in mappings for rename in _renames(mapping)]
        yield {
            "job_name": job.name,
            "file_sd_configs": [
                {"files": [f"targets/{job.name}.json"], "refresh_interval": scale.every("1m")},
            ],
            **scrape_access.settings(job.access),
            "metric_relabel_configs": [
                *renames,
                {"source_labels": ["__name__"], "regex": keep, "action": "keep"},
            ],
        }


def _renames(mapping: Mapping) -> Iterator[Yaml]:
    """From every spelling to the one that rules use; the longest prefix first."""
    first, *others = mapping.spellings or (None,)
    for spelling in sorted(others, key=lambda one: -len(one.prefix)):
        if first is not None:
            yield {
                "source_labels": ["__name__"],
                "regex": f"{quote_regex(spelling.prefix)}(.*)",
                "target_label": "__name__",
                "replacement": f"{first.prefix}$1",
            }


def _names(mapping: Mapping) -> Iterator[str]:
    """What rules read, as regular expressions."""
    for told in mapping.signals:
        for source in told.sources:
            for operand in (source, *source.add, *(one for one in (source.count, source.over) if one is not None)):
                yield f"{quote_regex(operand.series)}(_bucket|_sum|_count)?"


def targets(fleet: Fleet) -> dict[str, bytes]:
    """Lists of targets by file name."""
    written = {}
    for job, services in jobs(fleet).items():
        listed = [_target(service, page) for service in services for page in service.pages]
        written[f"{job.name}.json"] = (json.dumps(listed, indent=2) + "\n").encode()
    return written


def _target(service: Service, page: str) -> dict[str, object]:
    parts = urlsplit(page)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    labels = {
        SERVICE.name: service.name,
        "__scheme__": parts.scheme,
        "__metrics_path__": parts.path or "/metrics",
    }
    if model := only_model(service):
        labels[SAID_MODEL] = model
    return {"targets": [f"{host}:{parts.port or _PORTS[parts.scheme]}"], "labels": labels}
