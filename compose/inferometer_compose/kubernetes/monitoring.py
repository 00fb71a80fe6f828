"""What the Prometheus operator reads: rules, and which pods are scraped how."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from inferometer.fleet.model import Fleet
from inferometer_alerts import generation, rule_file
from inferometer_alerts.prometheus import SCRAPE_PROTOCOLS
from inferometer_alerts.rule import Alert, Group
from inferometer_alerts.rule_labels import INSTANCE, JOB
from inferometer_alerts.time_scale import TimeScale
from inferometer_alerts.traffic_alerts import SCRAPE_JOB
from inferometer_alerts.yaml_text import Yaml
from inferometer_compose.kubernetes.names import PORT_NAME, SCRAPE, Manifest, metadata

NAMESPACE_LABEL: Final = "namespace"
"""On every alert: by it the operator routes to an AlertmanagerConfig of the same namespace."""
DROP_OF_OPERATOR: Final[Manifest] = {"action": "labeldrop", "regex": "container|endpoint|namespace|pod"}
"""The operator adds these labels; no rule of ours was proved with them."""


def rules(fleet: Fleet, scale: TimeScale) -> Iterator[tuple[str, Manifest]]:
    """A PrometheusRule for each rule file, by the file's name."""
    for name, groups in generation.rule_groups(fleet, scale).items():
        yield (
            name,
            {
                "apiVersion": "monitoring.coreos.com/v1",
                "kind": "PrometheusRule",
                "metadata": metadata(fleet, f"inferometer-{name}"),
                "spec": rule_file.document((_labelled(group, fleet) for group in groups), fleet, scale),
            },
        )


def _labelled(group: Group, fleet: Fleet) -> Group:
    of = {NAMESPACE_LABEL: fleet.kubernetes.namespace}
    named = (replace(rule, labels={**rule.labels, **of}) if isinstance(rule, Alert) else rule for rule in group.rules)
    return replace(group, rules=tuple(named))


def pod_monitor(fleet: Fleet, scale: TimeScale) -> Manifest:
    """Scrapes the sidecars, in pods and on nodes, with native histograms, exemplars and the labels of our rules."""
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PodMonitor",
        "metadata": metadata(fleet, "inferometer"),
        "spec": {
            "selector": {"matchLabels": SCRAPE},
            "namespaceSelector": {"matchNames": [fleet.kubernetes.namespace]},
            "scrapeProtocols": list(SCRAPE_PROTOCOLS),
            "scrapeNativeHistograms": True,
            # Alerts count in the classic buckets, whose boundaries hold the thresholds exactly.
            "scrapeClassicHistograms": True,
            "podMetricsEndpoints": [
                {
                    "port": PORT_NAME,
                    "interval": scale.every("15s"),
                    "scrapeTimeout": scale.every("10s"),
                    # What a series says of itself is right: a worker's pod, not the sidecar's.
                    "honorLabels": True,
                    **_access(fleet),
                    "relabelings": [
                        {"action": "replace", "targetLabel": JOB.name, "replacement": SCRAPE_JOB},
                        {
                            "action": "replace",
                            "sourceLabels": ["__meta_kubernetes_pod_name"],
                            "targetLabel": INSTANCE.name,
                        },
                        DROP_OF_OPERATOR,
                    ],
                }
            ],
        },
    }


def _access(fleet: Fleet) -> Manifest:
    """How Prometheus shows who it is, and whom it believes; secrets by name only."""
    cluster = fleet.kubernetes
    access: dict[str, Yaml] = {}
    if cluster.token_secret is not None:
        access["authorization"] = {"type": "Bearer", "credentials": {"name": cluster.token_secret, "key": "token"}}
    if cluster.tls_secret is not None:
        access["scheme"] = "https"
        access["tlsConfig"] = {
            "ca": {"secret": {"name": cluster.tls_secret, "key": "ca.crt"}},
            "serverName": server_name(fleet),
        }
    return access


def server_name(fleet: Fleet) -> str:
    """The name that the certificate of the sidecars is for: they are reached by address, which changes."""
    return f"inferometer.{fleet.kubernetes.namespace}.svc"
