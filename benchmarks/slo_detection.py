"""How long outages last until somebody is told: ours, Sloth's and Pyrra's rules in Prometheus's own rule engine.

``python benchmarks/slo_detection.py [--objective 99.9] [--json]``    needs promtool: ``make tools``

Ten requests a second arrive at a service that never failed; then a share of them is bad: 100, 20, 5 and 2 times what
the budget allows, at most all. promtool evaluates each tool's rules on the same counters, and says at which rounds an
alert fires. Pages: scraped every 15 s, evaluated every 30 s, 5 h of outage after 7 h of health. Tickets: 1 min, 5 min,
40 h after 3 days. Printed: from the outage's start until a page and until a ticket, and from its end until each of
them ends. Targets of a total outage: a page within 2, 3, 5 and 10 minutes at 99.9, 99, 95 and 90 %.
Rules of the peers: tests/data/slo/SOURCES.md. It takes about half an hour of CPU time, --objective a fifth of that.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from ruamel.yaml import YAML

from inferometer.fleet import durations
from inferometer.fleet.loader import loads
from inferometer_alerts.generation import files
from inferometer_alerts.samples import Phase, counter
from inferometer_alerts.yaml_text import dump

ROOT = Path(__file__).parents[1]
PROMTOOL = ROOT / ".tools/bin/promtool"
PEERS = ROOT / "tests/data/slo"
TARGET_SECONDS = {"99.9": 120, "99": 180, "95": 300, "90": 600}
MULTIPLES = (100, 20, 5, 2)
PER_SECOND = 10
FLEET = """
version: 1
fleet: detection
services: {embedder: {engine: fastapi, models: {minilm: {objectives: [the-one]}}}}
objectives: {the-one: {sli: availability, target: %s, window: 30d}}
receivers: {oncall: {webhook: {url: "http://127.0.0.1:9/"}}}
routes: {page: oncall, ticket: oncall}
"""
HISTOGRAM = {
    "99": ("inference_request_duration_seconds", "0.25"),
    "95": ("inference_time_to_first_token_seconds", "0.5"),
    "90": ("inference_time_to_first_token_seconds", "0.5"),
}
PEER_FILE = {
    "99.99": "availability-99.99",
    "99.9": "availability-99.9",
    "99": "latency-250ms-99",
    "95": "ttft-500ms-95",
    "90": "ttft-500ms-90",
}
ALERTS = {
    ("ours", "page"): 'alertname="InferenceBudgetBurnPage"',
    ("ours", "ticket"): 'alertname="InferenceBudgetBurnTicket"',
    ("sloth", "page"): 'sloth_severity="page"',
    ("sloth", "ticket"): 'sloth_severity="ticket"',
    ("pyrra", "page"): 'alertname="ErrorBudgetBurn", severity="critical"',
    ("pyrra", "ticket"): 'alertname="ErrorBudgetBurn", severity="warning"',
}
TOOLS = ("ours", "sloth", "pyrra")


@dataclass(frozen=True, slots=True)
class Clock:
    """Times of a test, seconds."""

    step: int
    evaluation: int
    healthy: int
    outage: int
    after: int


CLOCKS = {
    "page": Clock(15, 30, 7 * 3_600, 5 * 3_600, 3_600),
    "ticket": Clock(60, 300, 3 * 86_400, 40 * 3_600, 8 * 3_600),
}


def samples(clock, bad_ratio, share):
    """A counter of the requests that *share* of the bad ratio picks, in health, in the outage and after it."""
    phases = ((clock.healthy, Decimal(0)), (clock.outage, bad_ratio), (clock.after, Decimal(0)))
    return counter(Phase(seconds // clock.step, PER_SECOND * clock.step * share(bad)) for seconds, bad in phases)


def series(objective, clock, bad_ratio):
    """The same events as every tool's rules read them."""
    everything = samples(clock, bad_ratio, lambda _: Decimal(1))
    good, bad = samples(clock, bad_ratio, lambda bad: 1 - bad), samples(clock, bad_ratio, lambda bad: bad)
    ours = 'inference_slo_events_total{service="embedder", model="minilm", slo="embedder-minilm-the-one", result="%s"}'
    made = {ours % "good": good, ours % "bad": bad}
    if objective in HISTOGRAM:
        name, le = HISTOGRAM[objective]
        made[f'{name}_count{{service="embedder"}}'] = everything
        made[f'{name}_bucket{{service="embedder", le="{le}"}}'] = good
    else:
        made['inference_requests_total{service="embedder", outcome="ok"}'] = good
        made['inference_requests_total{service="embedder", outcome="server_error"}'] = bad
    return [{"series": name, "values": values} for name, values in made.items()]


def rules(tool, objective):
    """A tool's rule file."""
    if tool == "ours":
        return files(loads(FLEET % objective))["prometheus/rules/slo.yml"]
    return (PEERS / tool / f"{PEER_FILE[objective]}.yaml").read_bytes()


def fired(tool, objective, bad_ratio, kind):
    """Seconds from the start at which an alert fires, in the rounds from the outage on."""
    clock = CLOCKS[kind]
    content = rules(tool, objective)
    groups = [group["name"] for group in YAML(typ="safe", pure=True).load(content)["groups"]]
    end = clock.healthy + clock.outage + clock.after
    expression = f'group(ALERTS{{alertstate="firing", {ALERTS[tool, kind]}}})'
    rounds = range(clock.healthy, end, clock.evaluation)
    test = {
        "rule_files": ["rules.yml"],
        "evaluation_interval": f"{clock.evaluation}s",
        "group_eval_order": groups,
        "tests": [
            {
                "interval": f"{clock.step}s",
                "input_series": series(objective, clock, bad_ratio),
                "promql_expr_test": [
                    {"expr": expression, "eval_time": f"{at}s", "exp_samples": []} for at in rounds
                ],
            }
        ],
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "rules.yml").write_bytes(content)
        Path(folder, "test.yml").write_bytes(dump(test))
        ran = subprocess.run(
            [PROMTOOL, "test", "rules", Path(folder, "test.yml")], capture_output=True, text=True, check=False
        )
    said = ran.stdout + ran.stderr
    found = re.findall(r"time: (\w+),\s+exp: *nil\s+got: *\{\} 1E\+00", said)
    if not found and "SUCCESS" not in said:
        raise SystemExit(said)
    return sorted(durations.parse(at) // 10**9 for at in found)


def between(tool, objective, bad_ratio, kind):
    """Seconds from the outage's start until an alert fires, and from its end until that ends; None: never."""
    clock = CLOCKS[kind]
    over = clock.healthy + clock.outage
    rounds = fired(tool, objective, bad_ratio, kind)
    first = rounds[0] - clock.healthy if rounds and rounds[0] < over else None
    ends = rounds[-1] + clock.evaluation - over if rounds and rounds[-1] >= over else None
    return first, ends


def measured(case):
    """One row."""
    objective, bad_ratio, tool = case
    page, page_ends = between(tool, objective, bad_ratio, "page")
    ticket, ticket_ends = between(tool, objective, bad_ratio, "ticket")
    return {
        "objective": objective,
        "bad_ratio": float(bad_ratio),
        "tool": tool,
        "page_seconds": page,
        "page_ends_seconds": page_ends,
        "ticket_seconds": ticket,
        "ticket_ends_seconds": ticket_ends,
    }


def minutes(seconds):
    """As a table shows it."""
    return "-" if seconds is None else f"{seconds / 60:.1f}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--objective", choices=PEER_FILE, action="append", help="percent; all of them unless given")
    parser.add_argument("--json", action="store_true", help="print the rows as JSON")
    args = parser.parse_args()
    if not PROMTOOL.exists():
        parser.error(f"{PROMTOOL} is not there: `make tools` builds it")
    cases = []
    for objective in args.objective or list(PEER_FILE):
        share = 1 - Decimal(objective) / 100
        ratios = dict.fromkeys([Decimal(1), *(min(multiple * share, Decimal(1)) for multiple in MULTIPLES)])
        cases += [(objective, ratio, tool) for ratio in ratios for tool in TOOLS]
    with ThreadPoolExecutor(2) as pool:
        rows = []
        for row in pool.map(measured, cases):
            rows.append(row)
            print(f"\r{len(rows)} of {len(cases)}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    if args.json:
        print(json.dumps(rows, indent=2))
    else:
        report(rows)
    late = [
        row
        for row in rows
        if row["tool"] == "ours" and row["bad_ratio"] == 1 and row["objective"] in TARGET_SECONDS
        and not (row["page_seconds"] is not None and row["page_seconds"] <= TARGET_SECONDS[row["objective"]])
    ]  # fmt: skip
    return 1 if late else 0


def report(rows):
    columns = ("page", "page_ends", "ticket", "ticket_ends")
    print(f"{'minutes':<18}" + "".join(f"{tool + ': page':>14}{'ends':>6}{'ticket':>8}{'ends':>6}" for tool in TOOLS))
    for first in range(0, len(rows), len(TOOLS)):
        of = rows[first : first + len(TOOLS)]
        cells = "".join(
            "".join(
                f"{minutes(row[f'{name}_seconds']):>{width}}"
                for name, width in zip(columns, (14, 6, 8, 6), strict=True)
            )
            for row in of
        )
        print(f"{of[0]['objective'] + ' %':<10}{of[0]['bad_ratio']:>7.2%} {cells}")


if __name__ == "__main__":
    sys.exit(main())
