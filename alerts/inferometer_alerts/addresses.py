"""Where the parts of the stack listen in one installation; rules and boards never hold an address."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """Host and port of each part; the defaults are the names of the services in Docker Compose.

    Attributes:
        sidecars: Sidecars that Prometheus scrapes.
        prometheus: Prometheus, as Grafana and Prometheus itself reach it.
        alertmanager: Alertmanager, as Prometheus reaches it.
        jaeger: Jaeger's query API, as Grafana reaches it.
        store: Where a Prometheus that forwards writes to (``prometheus/scale.yml``).
        regions: Where Grafana asks every region at once; beside `store`, of an installation that has one.
        inbox: Where webhooks go instead of the addresses in fleet.yaml; None: they go where the file says.
    """

    sidecars: tuple[str, ...] = ("sidecar:9464",)
    prometheus: str = "prometheus:9090"
    alertmanager: str = "alertmanager:9093"
    jaeger: str = "jaeger:16686"
    store: str = "thanos-receive:19291"
    regions: str = "thanos-query:10902"
    inbox: str | None = None


COMPOSE = Addresses()
