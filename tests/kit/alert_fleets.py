"""Fleets for tests of generated files."""

from functools import cache
from pathlib import Path

from inferometer.fleet.loader import load, loads
from inferometer.fleet.model import Fleet

ROOT = Path(__file__).parents[2]
RUNBOOKS = ROOT / "alerts/runbooks"

HOSTILE_SERVICE = 'ser"vi\\ce {{ .X }} $labels ü'
HOSTILE_TENANT = 'a\\b "c", {{ .D }}'
HOSTILE_MODEL = "/a|b.*(c)'[d]: #e %20&f=?"


@cache
def example() -> Fleet:
    return load(ROOT / "examples/fleet.yaml")


@cache
def hostile() -> Fleet:
    """Names that mean something to PromQL, YAML, a regular expression, a template or a URL."""
    service = HOSTILE_SERVICE.replace("\\", "\\\\").replace('"', '\\"')
    tenant = HOSTILE_TENANT.replace("\\", "\\\\").replace('"', '\\"')
    return loads(f"""
version: 1
fleet: hostile
team: platform
services:
  "{service}":
    engine: fastapi
    team: search
    models:
      "{HOSTILE_MODEL}": {{objectives: [available, quick-90]}}
      yes-man: {{objectives: [available, quick-90, weekly]}}
objectives:
  available: {{sli: availability, target: 99.99, window: 90d}}
  quick-90: {{sli: latency, threshold: 1s500ms, target: 90, window: 28d}}
  weekly: {{sli: time_to_first_chunk, threshold: 5ms, target: 97.5, window: 1w}}
receivers:
  a: {{webhook: {{url_file: /run/secrets/hook}}}}
  b: {{slack: {{url_file: /run/secrets/slack, channel: "#a b"}}}}
  c: {{pagerduty: {{routing_key_file: /run/secrets/pd}}}}
  d: {{teams: {{url_file: /run/secrets/teams}}}}
  e: {{opsgenie: {{api_key_file: /run/secrets/opsgenie, api_url: "https://api.eu.opsgenie.com"}}}}
  f: {{email: {{to: oncall@example.com, from: alerts@example.com, smarthost: "mail.example.com:587", username: u,
       password_file: /run/secrets/mail}}}}
routes:
  page: c
  ticket: b
  heartbeat: a
  teams: {{search: {{page: e}}}}
  tenants: {{"{tenant}": {{ticket: f}}}}
tenants: {{header: x-tenant, known: ["{tenant}", acme]}}
maintenance:
  nights: {{weekdays: [saturday, sunday], from: "22:30", to: 02:00, timezone: Europe/Berlin}}
  move: {{dates: [2026-12-31], from: 08:00, to: 24:00, services: ["{service}"]}}
policy: [{{below: 50, do: slow-rollout}}, {{below: 25, do: page}}, {{below: 0, do: freeze}}]
budgets:
  all: {{usd_per_day: 6}}
  one: {{usd_per_month: 100, service: "{service}"}}
  team: {{usd_per_month: 100, team: search}}
  customer: {{usd_per_month: 50.5, tenant: "{tenant}"}}
""")


@cache
def every_sli() -> Fleet:
    """Every SLI, scope and source, with defaults and overrides."""
    return loads("""
version: 1
fleet: every
defaults: {objectives: [available], target: 99, window: 28d}
classes: [interactive, batch]
tenants: {header: x-tenant, known: [acme, "glo bex"]}
services:
  chat:
    engine: fastapi
    objectives: [first-token, per-token, good, no-queue]
    overrides: {first-token: {threshold: 400ms}}
    models:
      small: {}
      large:
        objectives: [first-token, per-token, good, fresh, cheap]
        overrides: {first-token: {threshold: 1s, target: 95}, good: {within: {latency: 20s}}}
  search:
    engine: fastapi
    models:
      rank: {objectives: [of-acme, each-tenant, each-class, canary, stale-tenant, cheap-tenant]}
      plain: {}
objectives:
  available: {sli: availability}
  first-token: {sli: time_to_first_token, threshold: 500ms}
  per-token: {sli: time_per_output_token, threshold: 50ms, target: 95}
  good: {sli: goodput, within: {time_to_first_token: 500ms, time_per_output_token: 50ms}, target: 95}
  no-queue: {sli: latency, stage: queue, threshold: 30ms}
  fresh: {sli: freshness, threshold: 1h, target: 99.5, window: 7d}
  cheap: {sli: cost_per_1k, usd_per_1k: 0.50, target: 95}
  of-acme: {sli: latency, threshold: 150ms, target: 99.9, for: {tenant: acme}}
  each-tenant: {sli: latency, threshold: 250ms, per: tenant}
  each-class: {sli: availability, per: class}
  canary: {sli: availability, for: {version: "v2", class: interactive}}
  stale-tenant: {sli: freshness, threshold: 10m, for: {tenant: acme, version: v2}}
  cheap-tenant: {sli: cost_per_1k, usd_per_1k: 2, per: tenant}
  gpus: {sli: gpu_availability, target: 99.5}
devices:
  - match: {kind: gpu, model: "NVIDIA H100*"}
    price: {usd_per_hour: 2.99, kind: reserved, source: contract, as_of: 2026-10-01}
    objectives: [gpus]
receivers: {a: {webhook: {url_file: /run/secrets/hook}}}
routes: {page: a, ticket: a, heartbeat: a}
""")


_ALONE = """
version: 1
fleet: alone
{classes}
tenants: {{header: x-tenant, known: [acme, globex]}}
services:
  llm:
    engine: {engine}
    models: {{small: {{{promise}}}}}
objectives:
  it: {objective}
devices:
  - match: {{kind: gpu, model: "NVIDIA H100*"}}
    price: {{usd_per_hour: 2.99, kind: reserved, source: contract, as_of: 2026-10-01}}
    {of_devices}
receivers: {{a: {{webhook: {{url_file: /run/secrets/hook}}}}}}
routes: {{page: a, ticket: a}}
"""


def alone(objective: str, *, engine: str = "fastapi") -> Fleet:
    """A fleet of one objective, whose few rules the real Prometheus proves fast."""
    of_devices = "gpu_availability" in objective
    return loads(
        _ALONE.format(
            classes="classes: [interactive, batch]" if "class" in objective else "",
            engine=engine,
            promise="" if of_devices else "objectives: [it]",
            objective=objective,
            of_devices="objectives: [it]" if of_devices else "",
        )
    )


ALONE = {
    "freshness": ("{sli: freshness, threshold: 10m, target: 99, window: 30d}", "fastapi"),
    "freshness of a tenant's version": (
        "{sli: freshness, threshold: 1h, target: 99, window: 30d, for: {tenant: acme, version: v2}}", "fastapi",
    ),
    "freshness of each class": ("{sli: freshness, threshold: 5m, target: 99, window: 7d, per: class}", "fastapi"),
    "cost": ("{sli: cost_per_1k, usd_per_1k: 0.50, target: 95, window: 30d}", "fastapi"),
    "cost of each tenant": ("{sli: cost_per_1k, usd_per_1k: 0.50, target: 90, window: 30d, per: tenant}", "fastapi"),
    "GPUs": ("{sli: gpu_availability, target: 99.5, window: 30d}", "fastapi"),
    "latency of each tenant": ("{sli: latency, threshold: 250ms, target: 99, window: 30d, per: tenant}", "fastapi"),
    "goodput": (
        "{sli: goodput, within: {time_to_first_token: 1s, time_per_output_token: 50ms}, target: 99, window: 30d}",
        "fastapi",
    ),
    "an engine's first token": ("{sli: time_to_first_token, threshold: 1s, target: 99, window: 30d}", "vllm"),
    "an engine's queue": ("{sli: latency, stage: queue, threshold: 500ms, target: 95, window: 30d}", "vllm"),
    "an engine's failures": ("{sli: availability, target: 99.9, window: 30d}", "vllm"),
    "an engine's freshness": ("{sli: freshness, threshold: 5m, target: 99, window: 30d}", "vllm"),
}  # fmt: skip
"""Objective and engine, by what it shows."""
