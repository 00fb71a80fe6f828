"""Whatever people call their services, models, tenants and versions: rules parse, and say the same names."""

from urllib.parse import urlsplit

import promql_parser
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from inferometer.catalog.labels import CLASS, MODEL, SERVICE, SLO, TENANT, VERSION
from inferometer.fleet.loader import loads
from inferometer.fleet.slos import slos
from inferometer_alerts import recorded_slos, rule_file
from inferometer_alerts.generation import rule_groups
from inferometer_alerts.time_scale import TimeScale
from inferometer_alerts.yaml_text import dump

# What means something to PromQL, RE2, YAML, Go's templates, HTML or a URL, and any other letter.
SPECIAL = "\"'\\`{}[]()<>$%&|*+?.^#:;,=!~@/- \u00e9\u4e2d\U0001f600"
LETTERS = st.sampled_from(SPECIAL) | st.characters(codec="utf-8", exclude_categories=("C", "Z"))
names = st.text(LETTERS, max_size=12).map(lambda text: f"a{text}".rstrip())


def quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def fleet(service, model, tenant, version, request_class):
    text = f"""
version: 1
fleet: fuzzed
tenants: {{header: x-tenant, known: [{quoted(tenant)}]}}
classes: [{quoted(request_class)}]
services:
  {quoted(service)}:
    engine: fastapi
    team: them
    models:
      {quoted(model)}: {{objectives: [narrow, each, stale, dear]}}
  "an engine {quoted(service)[1:-1]}":
    engine: vllm
    models: {{{quoted(model)}: {{objectives: [first]}}}}
objectives:
  narrow: {{sli: availability, target: 99, for: {{tenant: {quoted(tenant)}, version: {quoted(version)},
           class: {quoted(request_class)}}}}}
  each: {{sli: latency, threshold: 250ms, target: 99, per: tenant}}
  stale: {{sli: freshness, threshold: 1h, target: 99, for: {{version: {quoted(version)}}}, per: class}}
  dear: {{sli: cost_per_1k, usd_per_1k: 1, target: 90, per: tenant}}
  first: {{sli: time_to_first_token, threshold: 500ms, target: 95}}
  gpus: {{sli: gpu_availability, target: 99}}
devices:
  - match: {{kind: gpu, model: {quoted(model)}}}
    price: {{usd_per_hour: 1, kind: spot, source: list, as_of: 2026-10-01}}
    objectives: [gpus]
receivers: {{a: {{webhook: {{url_file: /run/secrets/hook}}}}}}
routes: {{page: a, ticket: a}}
"""
    return loads(text)


@settings(max_examples=min(10, settings.default.max_examples // 5), deadline=None)
@given(names, names, names, names, names)
def test_names_arrive_in_rules_as_they_are(service, model, tenant, version, request_class):
    made = fleet(service, model, tenant, version, request_class)
    groups = rule_groups(made, TimeScale(1))
    written = [dump(rule_file.document(of_file, made, TimeScale(1))).decode() for of_file in groups.values()]
    rules = [
        rule
        for text in written
        for group in YAML(typ="safe", pure=True).load(text)["groups"]
        for rule in group["rules"]
    ]

    for rule in rules:
        promql_parser.parse(rule["expr"])
        for name, url in rule.get("annotations", {}).items():
            if name.endswith("_url"):
                assert urlsplit(url).scheme == "http"
    said = [rule["labels"] for rule in rules if rule.get("record") == recorded_slos.SLO_INFO.name]
    keys = (SERVICE, MODEL, TENANT, VERSION, CLASS, SLO)
    found = {tuple(labels.get(key.name, "") for key in keys) for labels in said}
    assert found == {
        (slo.service, slo.model, slo.tenant, slo.version, slo.request_class, slo.name) for slo in slos(made)
    }
    assert any(tenant in labels and version in labels and request_class in labels for labels in found)
    texts = {matcher.value for rule in rules for matcher in matchers(promql_parser.parse(rule["expr"]))}
    assert f"an engine {service}" in texts


def matchers(expr):
    """Every matcher of an expression."""
    if isinstance(expr, promql_parser.VectorSelector):
        yield from expr.matchers.matchers
    for name in ("lhs", "rhs", "expr", "param", "vector_selector"):
        inner = getattr(expr, name, None)
        if inner is not None:
            yield from matchers(inner)
    for inner in getattr(expr, "args", None) or ():
        yield from matchers(inner)
