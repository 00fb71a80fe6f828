"""Pages of foreign engines in Kubernetes: the sidecar in the same pod reads them, or Prometheus does."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

from inferometer.catalog.labels import SERVICE
from inferometer.errors import RefusedError
from inferometer.fleet.autoscaling_checks import deployment
from inferometer.fleet.kubernetes import SidecarPlace
from inferometer.fleet.model import Fleet
from inferometer.fleet.service import ScrapedBy, Service
from inferometer.fleet.summary import only_model
from inferometer.fleet.thresholds import EnginePages
from inferometer_alerts import engine_scraping
from inferometer_alerts.engine_selectors import SAID_MODEL
from inferometer_alerts.rule_labels import INSTANCE, JOB
from inferometer_alerts.time_scale import TimeScale
from inferometer_alerts.yaml_text import Yaml
from inferometer_compose.kubernetes import page_secrets
from inferometer_compose.kubernetes.monitoring import DROP_OF_OPERATOR
from inferometer_compose.kubernetes.names import Manifest, metadata

_PORTS: Final = {"http": 80, "https": 443}
_CAMEL: Final = {"source_labels": "sourceLabels", "target_label": "targetLabel"}


def check(fleet: Fleet) -> None:
    """Check that each page has one reader, who is let in.

    Raises:
        RefusedError: the sidecars of all nodes would read the pages of one service, or what a page asks for cannot be
            said by one Secret.
    """
    for service in fleet.services:
        page_secrets.check(service)
        on_node = service.kubernetes.sidecar is SidecarPlace.NODE
        if not service.instrumented and service.pages and on_node and service.scraped_by is ScrapedBy.SIDECAR:
            raise RefusedError(
                f"services.{service.name}: its pages would be read by the sidecar of every node; write "
                "`kubernetes: {sidecar: pod}` or `scraped_by: prometheus`"
            )


def in_pod(pages: EnginePages) -> EnginePages:
    """The pages as the sidecar of the same pod reaches them: one replica, on the loopback."""
    here = dict.fromkeys(_here(page) for page in pages.pages)
    return replace(pages, pages=tuple(here), access=page_secrets.in_pod(pages))


def _here(page: str) -> str:
    parts = urlsplit(page)
    return urlunsplit(parts._replace(netloc=f"127.0.0.1:{_port(page)}"))


def _port(page: str) -> int:
    parts = urlsplit(page)
    return parts.port or _PORTS[parts.scheme]


def rules(fleet: Fleet, scale: TimeScale) -> Manifest | None:
    """What Prometheus makes of pages that it reads itself; None where it reads none."""
    document: Any = engine_scraping.document(fleet, scale)
    if document is None:
        return None
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": metadata(fleet, f"inferometer-{engine_scraping.FILE}"),
        "spec": document,
    }


def monitors(fleet: Fleet, service: Service, scale: TimeScale) -> Iterator[Manifest]:
    """The PodMonitor of a service whose pages Prometheus reads itself."""
    for job, services in engine_scraping.jobs(fleet).items():
        if service in services:
            written: Any = next(
                config for config in engine_scraping.scrape_configs(fleet, scale) if _name_of(config) == job.name
            )
            yield {
                "apiVersion": "monitoring.coreos.com/v1",
                "kind": "PodMonitor",
                "metadata": metadata(fleet, f"{deployment(service)}-engine"),
                "spec": {
                    "selector": {"matchLabels": {"app": deployment(service)}},
                    "namespaceSelector": {"matchNames": [fleet.kubernetes.namespace]},
                    "podMetricsEndpoints": [
                        _endpoint(service, page, job.name, written["metric_relabel_configs"], scale)
                        for page in {_port(page): page for page in service.pages}.values()
                    ],
                },
            }


def _name_of(config: Any) -> str:
    name: str = config["job_name"]
    return name


def _endpoint(service: Service, page: str, job: str, relabellings: list[Any], scale: TimeScale) -> Yaml:
    parts = urlsplit(page)
    fixed = {JOB.name: job, SERVICE.name: service.name}
    if model := only_model(service):
        fixed[SAID_MODEL] = model
    return {
        "portNumber": _port(page),
        "path": parts.path or "/metrics",
        "scheme": parts.scheme,
        **page_secrets.endpoint(service),
        "interval": scale.every("15s"),
        "scrapeTimeout": scale.every("10s"),
        "relabelings": [
            *({"action": "replace", "targetLabel": name, "replacement": value} for name, value in fixed.items()),
            {
                "action": "replace",
                "sourceLabels": ["__meta_kubernetes_pod_name"],
                "targetLabel": INSTANCE.name,
            },
            DROP_OF_OPERATOR,
        ],
        "metricRelabelings": [
            {_CAMEL.get(key, key): value for key, value in relabelling.items()} for relabelling in relabellings
        ],
    }
