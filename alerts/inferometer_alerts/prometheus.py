"""Configuration of Prometheus: what it scrapes, how, how often, and the lists of targets."""

import json
from typing import Final

from inferometer.catalog.labels import REGION
from inferometer.fleet.model import Fleet
from inferometer_alerts import engine_scraping, scrape_access
from inferometer_alerts.addresses import Addresses
from inferometer_alerts.time_scale import TimeScale
from inferometer_alerts.traffic_alerts import SCRAPE_JOB
from inferometer_alerts.yaml_text import Yaml

# Protobuf first: only it carries native histograms. OpenMetrics next: it carries exemplars.
SCRAPE_PROTOCOLS: Final = ("PrometheusProto", "OpenMetricsText1.0.0", "PrometheusText1.0.0", "PrometheusText0.0.4")
MAX_EXEMPLARS: Final = 100_000
MINE: Final = ("mine/*.json", "mine/*.yml")
"""Lists that users put beside ours: Docker Compose mounts a folder of theirs there."""
JOBS: Final = (SCRAPE_JOB, "prometheus", "alertmanager")
HA_LABEL: Final = "prometheus_replica"
"""Tells the two of a pair that scrape the same apart, by the name that Prometheus' operator gives it: a store of many
regions drops it where it answers. ``replica`` is a label of engines' series, and would make one of several engines."""


def configuration(fleet: Fleet, scale: TimeScale) -> Yaml:
    """prometheus.yml; paths are relative to it."""
    return _document(fleet, scale, {"fleet": fleet.name}, {})


def forwarding(fleet: Fleet, scale: TimeScale, addresses: Addresses) -> Yaml:
    """scale.yml: the same, and every sample goes to a store of many regions too.

    Which region it is, and which of a pair, comes from its environment, ``REGION`` and ``REPLICA``: the file is the
    same everywhere.
    """
    told: dict[str, Yaml] = {"fleet": fleet.name, REGION.name: "${REGION}", HA_LABEL: "${REPLICA}"}
    # Both of a pair say the same to Alertmanager, which then tells it once.
    alike: dict[str, Yaml] = {"alert_relabel_configs": [{"action": "labeldrop", "regex": HA_LABEL}]}
    store: Yaml = {
        "url": f"http://{addresses.store}/api/v1/receive",
        "send_exemplars": True,
        "send_native_histograms": True,
    }
    return {**_document(fleet, scale, told, alike), "remote_write": [store]}


def _document(
    fleet: Fleet, scale: TimeScale, external_labels: dict[str, Yaml], alerting: dict[str, Yaml]
) -> dict[str, Yaml]:
    return {
        "global": {
            "scrape_interval": scale.every("15s"),
            # Not longer than the interval; Prometheus refuses that.
            "scrape_timeout": scale.every("10s"),
            "evaluation_interval": scale.every("30s"),
            "external_labels": external_labels,
        },
        "storage": {"exemplars": {"max_exemplars": MAX_EXEMPLARS}},
        "rule_files": ["rules/*.yml"],
        "alerting": {"alertmanagers": [{"file_sd_configs": [_targets_of("alertmanager", scale)]}], **alerting},
        "scrape_configs": [
            *(_scrape(job, fleet, scale) for job in JOBS),
            *engine_scraping.scrape_configs(fleet, scale),
        ],
    }


def _scrape(job: str, fleet: Fleet, scale: TimeScale) -> Yaml:
    common: dict[str, Yaml] = {"job_name": job, "file_sd_configs": [_targets_of(job, scale)]}
    if job != SCRAPE_JOB:
        return common
    # Who names an authority, or the name in a certificate, expects one.
    secure: dict[str, Yaml] = {"scheme": "https"} if fleet.sidecar is not None and fleet.sidecar.is_tls else {}
    return {
        **common,
        **secure,
        **scrape_access.settings(fleet.sidecar),
        "scrape_protocols": list(SCRAPE_PROTOCOLS),
        "scrape_native_histograms": True,
        # Alerts and other readers count in the classic buckets, whose boundaries hold the thresholds exactly.
        "always_scrape_classic_histograms": True,
    }


def _targets_of(job: str, scale: TimeScale) -> Yaml:
    files = [f"targets/{job}.json", *(MINE if job == SCRAPE_JOB else ())]
    return {"files": list[Yaml](files), "refresh_interval": scale.every("1m")}


def targets(addresses: Addresses) -> dict[str, bytes]:
    """Lists of targets by file name: the only files that hold addresses."""
    listed = {
        SCRAPE_JOB: list(addresses.sidecars),
        "prometheus": [addresses.prometheus],
        "alertmanager": [addresses.alertmanager],
    }
    return {f"{job}.json": (json.dumps([{"targets": listed[job]}], indent=2) + "\n").encode() for job in JOBS}
