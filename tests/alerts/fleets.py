"""Fleets for tests of generated files."""

from pathlib import Path

from inferometer.fleet.loader import load, loads
from inferometer.fleet.model import Fleet

ROOT = Path(__file__).parents[2]
RUNBOOKS = ROOT / "alerts/runbooks"

HOSTILE_SERVICE = 'ser"vi\\ce {{ .X }} $labels ü'
HOSTILE_MODEL = "/a|b.*(c)'[d]: #e %20&f=?"


def example() -> Fleet:
    return load(ROOT / "examples/fleet.yaml")


def hostile() -> Fleet:
    """Names that mean something to PromQL, YAML, a regular expression, a template or a URL."""
    service = HOSTILE_SERVICE.replace("\\", "\\\\").replace('"', '\\"')
    return loads(f"""
version: 1
fleet: hostile
services:
  "{service}":
    engine: fastapi
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
routes: {{page: c, ticket: b, heartbeat: a}}
""")
