"""A month of many SLOs: the rules of each tool for them, and the samples that these read, as blocks of Prometheus."""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

from ruamel.yaml import YAML

from inferometer.fleet import durations
from inferometer.fleet.loader import loads
from inferometer.fleet.slos import slos
from inferometer_alerts import recorded_slos
from inferometer_alerts.generation import files
from inferometer_alerts.slo_labels import labels

ROOT = Path(__file__).parents[1]
PEERS = ROOT / "tests/data/slo"
END = 1_767_225_600
DAY = 86_400
PERIOD = 30 * DAY
ROUND = 30
SHARED = 10
"""SLOs that read the same raw counters, of the peers."""
NAMES = {"sloth": "availability-99.9", "pyrra": "availability-99-9"}
FLEET_HEAD = """
version: 1
fleet: thousand
objectives: {available: {sli: availability, target: 99.9, window: 30d}}
receivers: {oncall: {webhook: {url: "http://127.0.0.1:9/"}}}
routes: {page: oncall, ticket: oncall}
services:
"""


@dataclass(frozen=True, slots=True)
class Rule:
    """An expression, what it records, and how often."""

    expr: str
    record: str
    labels: dict
    interval: int


def service(number):
    """Name of the service whose counters an SLO of a peer reads."""
    return f"s{number // SHARED:04d}"


def read(text):
    """Rules of a rule file."""
    return [
        Rule(
            rule["expr"], rule.get("record", ""), rule.get("labels", {}),
            durations.parse(group.get("interval", f"{ROUND}s")) // 10**9,
        )
        for group in YAML(typ="safe").load(text)["groups"]
        for rule in group["rules"]
    ]  # fmt: skip


def rules_of(tool, number):
    """All rules of a tool for so many SLOs."""
    if tool == "ours":
        return read(files(fleet(number))["prometheus/rules/slo.yml"].decode())
    (path,) = PEERS.glob(f"{tool}/availability-99.9.yaml")
    # Parsed once; what differs between two SLOs are two words in it.
    text, made = json.dumps([[r.expr, r.record, r.labels, r.interval] for r in read(path.read_text())]), []
    for one in range(number):
        mine = text.replace(NAMES[tool], f"availability-{one}").replace("embedder", service(one))
        made += [Rule(*fields) for fields in json.loads(mine)]
    return made


def fleet(number):
    """A fleet with so many SLOs."""
    body = "".join(
        f"  s{one:04d}: {{engine: fastapi, models: {{m: {{objectives: [available]}}}}}}\n" for one in range(number)
    )
    return loads(FLEET_HEAD + body)


def counter(name, of, rise, *, since, step=15):
    """A counter until the end."""
    return {
        "labels": {"__name__": name, **of}, "start": (END - since) * 1000, "end": END * 1000, "step": step * 1000,
        "rise": rise,
    }  # fmt: skip


def gauge(name, of, value, *, since=300, step=60):
    """A gauge until the end."""
    return {
        "labels": {"__name__": name, **of}, "start": (END - since) * 1000, "end": END * 1000, "step": step * 1000,
        "value": value,
    }  # fmt: skip


def series(number, rules):
    """Everything that the rules read, a month of it where they read a month."""
    for one in range(0, number, SHARED):
        for outcome, rise in (("ok", 150), ("server_error", 0.2)):
            of = {"service": service(one), "model": "m", "outcome": outcome}
            yield counter("inference_requests_total", of, rise, since=PERIOD + DAY)
    for tool in ("sloth", "pyrra"):
        for rule in rules[tool]:
            if rule.record == "slo:sli_error:ratio_rate5m":
                yield gauge(rule.record, rule.labels, 0.0005, since=PERIOD, step=ROUND)
            elif rule.record:
                yield gauge(rule.record, rule.labels, 0.0005)
    tiles = {recorded_slos.SLO_EVENTS_TILE.name: 3000, recorded_slos.SLO_BAD_TILE.name: 1}
    names = {rule.record for rule in rules["ours"] if rule.record.startswith("slo:")} - tiles.keys()
    infos = {rule.labels["slo"]: rule.labels for rule in rules["ours"] if rule.record == recorded_slos.SLO_INFO.name}
    for slo in slos(fleet(number)):
        of = {"service": slo.service, "model": slo.model, "slo": slo.name, "version": "v1"}
        yield counter("inference_slo_events_total", {**of, "result": "good"}, 150, since=3 * 3_600)
        yield counter("inference_slo_events_total", {**of, "result": "bad"}, 1.2, since=3 * 3_600)
        for name, value in tiles.items():
            yield gauge(name, labels(slo), value, since=PERIOD + DAY, step=300)
        for name in sorted(names):
            yield gauge(name, infos[slo.name] if name == recorded_slos.SLO_INFO.name else labels(slo), 0.5)


def backfill(folder, number, rules):
    """Writes the blocks; how many samples they have."""
    program = folder / "blocks"
    build = ["go", "build", "-mod=readonly", "-buildvcs=false", "-o", str(program), "./blocks"]
    subprocess.run(build, cwd=ROOT / "tools/prometheus", check=True)
    process = subprocess.Popen([program, folder / "data"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    for one in series(number, rules):
        process.stdin.write(json.dumps(one) + "\n")
    said, _ = process.communicate()
    if process.returncode:
        raise SystemExit("writing the blocks failed")
    return int(said)
