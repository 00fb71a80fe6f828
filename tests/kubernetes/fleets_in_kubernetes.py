"""Fleets whose manifests are checked: the example, everything at once, names that mean something, very many models."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.constructor import SafeConstructor

ROOT = Path(__file__).parents[2]
_ENDS = """\
objectives:
  available: {sli: availability, target: 99, window: 30d}
devices:
  - match: {kind: cpu}
    price: {usd_per_hour: 0.20, kind: on_demand, source: list, as_of: 2026-10-01}
"""
_ALL_RECEIVERS = """\
receivers:
  a: {webhook: {url_file: /run/secrets/hook}}
  b: {slack: {url_file: /run/secrets/slack, channel: "#a b"}}
  c: {pagerduty: {routing_key_file: /run/secrets/pager duty}}
  d: {teams: {url_file: /run/secrets/teams}}
  e: {opsgenie: {api_key_file: /run/secrets/opsgenie, api_url: "https://api.eu.opsgenie.com"}}
  f: {email: {to: oncall@example.com, from: alerts@example.com, smarthost: "mail.example.com:587", username: u,
       password_file: /run/secrets/mail}}
  g: {webhook: {url: "http://127.0.0.1:9099/alerts"}}
"""
EVERYTHING = (
    """\
version: 1
fleet: everything
kubernetes:
  namespace: models
  image: registry.example/inferometer@sha256:0123456789abcdef
  prometheus: https://prometheus.monitoring.svc:9090
  monitoring_namespace: observability
  prometheus_account: prometheus
  release: prom
  otlp: http://jaeger.tracing.svc:4318
  token_secret: token
  tls_secret: certificate
  receivers_secret: who
services:
  embedder:
    engine: fastapi
    kubernetes: {deployment: embedder-blue, container: app, version: v2.1}
    models:
      minilm:
        objectives: [available]
        autoscaling: {kind: hpa, min: 1, max: 8, target: {queue: 2.5, in_flight: 8, p99: 250ms}, cold_start: 20s}
  llm:
    engine: fastapi
    kubernetes: {sidecar: node}
    models:
      llama:
        objectives: [available]
        autoscaling: {kind: hpa, min: 2, max: 4, target: {time_to_first_token: 1s}}
  vllm:
    engine: vllm
    pages: ["http://vllm-0.vllm:8000/metrics", "http://vllm-1.vllm:8000/metrics"]
    models:
      llama-70b:
        objectives: [available]
        autoscaling: {kind: hpa, min: 1, max: 4, target: {kv_cache: 80, queue: 5}}
  triton:
    engine: triton
    pages: ["http://triton:8002/metrics"]
    scraped_by: prometheus
    models:
      resnet: {objectives: [available]}
"""
    + _ENDS
    + _ALL_RECEIVERS
    + """\
maintenance:
  nights: {weekdays: [monday], from: "22:00", to: "02:00"}
  once: {dates: [2026-12-24], from: "08:00", to: "10:00", services: [llm]}
routes: {page: c, ticket: b, heartbeat: a}
"""
)
SECURED = (
    """\
version: 1
fleet: secured
services:
  llm:
    engine: vllm
    pages: ["https://llm-0.llm:8000/metrics", "https://llm-1.llm:8000/metrics"]
    access:
      {token_file: /run/secrets/llm-token, ca_file: /etc/llm/ca.pem, server_name: llm.internal,
       cert_file: /etc/llm/reader.pem, key_file: /etc/llm/reader.key}
    kubernetes: {access_secret: llm-readers}
    models: {llama: {objectives: [available]}}
  triton:
    engine: triton
    pages: ["https://triton.models.svc:8002/metrics"]
    scraped_by: prometheus
    access: {username: prometheus, password_file: /run/secrets/password, cert_file: /etc/triton/reader.pem}
    models: {resnet: {objectives: [available]}}
  tgi:
    engine: tgi
    pages: ["http://tgi:9000/metrics"]
    scraped_by: prometheus
    access: {token_file: /run/secrets/tgi-token}
    models: {mistral: {objectives: [available]}}
"""
    + _ENDS
    + 'receivers:\n  a: {webhook: {url: "http://127.0.0.1:9099/a"}}\nroutes: {page: a, ticket: a}\n'
)
"""Engines whose pages are not open: a token, a password, certificates of both sides; read by either reader."""
HOSTILE = (
    """\
version: 1
fleet: hostile
services:
  'ser"vi\\ce {{ .X }} $(HOME) $labels ü':
    engine: fastapi
    kubernetes: {deployment: hostile}
    models:
      "/a|b.*(c)'[d]: #e %20&f=? <<.Series>>":
        objectives: [available]
        autoscaling: {kind: hpa, min: 1, max: 8, target: {queue: 2, p99: 250ms}}
      "yes": {objectives: [available]}
"""
    + _ENDS
    + 'receivers:\n  a: {webhook: {url_file: "/run/secrets/it\'s {{ mine }}"}}\nroutes: {page: a, ticket: a}\n'
)


def many(services: int) -> str:
    """A fleet of so many services with two models each, all of which scale."""
    listed = "".join(
        f"""\
  service-{number}:
    engine: fastapi
    models:
      first:
        objectives: [available]
        autoscaling: {{kind: keda, min: 1, max: 8, target: {{queue: 2, in_flight: 8, p99: 250ms}}, cold_start: 20s}}
      second: {{objectives: [available]}}
"""
        for number in range(services)
    )
    return (
        f"version: 1\nfleet: many\nservices:\n{listed}{_ENDS}"
        'receivers:\n  a: {webhook: {url: "http://127.0.0.1:9099/a"}}\nroutes: {page: a, ticket: a}\n'
    )


FLEETS = {
    "example": (ROOT / "examples/kubernetes/fleet.yaml").read_text(encoding="utf-8"),
    "everything": EVERYTHING,
    "secured": SECURED,
    "hostile": HOSTILE,
    "many": many(100),
}


class Constructor(SafeConstructor):
    """Takes a plain ``=`` for text, as Go's readers do; Kustomize writes it."""


Constructor.add_constructor("tag:yaml.org,2002:value", lambda _, node: node.value)


def read_all(text: str) -> Iterator[Any]:
    """Every document of a text."""
    reader = YAML(typ="safe", pure=True)
    reader.Constructor = Constructor
    yield from reader.load_all(text)
