"""What it costs to watch 1,000 SLOs after a month: our rules, Sloth's and Pyrra's in the same Prometheus.

``python benchmarks/slo_evaluation.py [--slos 1000] [--json]``    needs prometheus and Go: ``make tools``

A month of samples is written as blocks (tools/prometheus/blocks), what each tool's rules read among them: raw counters
scraped every 15 s, of which ten SLOs share one service's (in favour of the peers, who read them for a month; ours are
per SLO, and nothing older than an hour is read), Sloth's ratios of five minutes every 30 s, our tiles every 5 min. Then
every expression of every rule is evaluated once, at the end of the month, and weighted with how often its group is
evaluated in 30 s (where a tool leaves that to Prometheus: every 30 s). Samples are those that the engine says it read,
seconds are CPU time of the Prometheus process less that of as many queries for a constant, memory is what it allocated.
Targets: at most 0.25 of Sloth's and 0.5 of Pyrra's samples and seconds. Rules of the peers: tests/data/slo/SOURCES.md.
"""

import argparse
import json
import re
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from slo_month import ROUND, backfill, rules_of
from slo_prometheus import PROGRAM, prometheus

TARGETS = {"sloth": 0.25, "pyrra": 0.5}


@dataclass(slots=True)
class Cost:
    """Of one round of 30 s."""

    rules: int = 0
    samples: float = 0
    seconds: float = 0
    allocated: float = 0
    peak: int = 0


def evaluated(server, rules):
    """Cost of a round, less that of asking."""
    cost = Cost(rules=len(rules))
    by_interval = {interval: [r for r in rules if r.interval == interval] for interval in {r.interval for r in rules}}
    for interval, some in by_interval.items():
        asking = measured(server, ["vector(1)"] * len(some))[1:3]
        samples, seconds, allocated, peak = measured(server, [rule.expr for rule in some])
        weight = ROUND / interval
        cost.samples += samples * weight
        cost.seconds += max(seconds - asking[0], 0) * weight
        cost.allocated += max(allocated - asking[1], 0) * weight
        cost.peak = max(cost.peak, peak)
    return cost


def measured(server, exprs):
    """Samples, CPU seconds, bytes and the most samples at once of some expressions."""
    cpu, memory = server.cpu_seconds(), server.allocated()
    read = [server.query(expr) for expr in exprs]
    spent, taken = server.cpu_seconds() - cpu, server.allocated() - memory
    return sum(samples for samples, _ in read), spent, taken, max(peak for _, peak in read)


def windows(server, rules, number):
    """Samples per SLO that each window of ours reads, in a round."""
    found = {}
    for rule in rules:
        if window := re.fullmatch(r"slo:events:(?:increase)?(\w+)", rule.record):
            found[window[1]] = server.query(rule.expr)[0] * ROUND / rule.interval / number
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slos", type=int, default=1000)
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    args = parser.parse_args()
    if not PROGRAM.exists():
        parser.error(f"{PROGRAM} is not there: `make tools` builds it")
    rules = {tool: rules_of(tool, args.slos) for tool in ("ours", "sloth", "pyrra")}
    with tempfile.TemporaryDirectory() as name:
        folder, started = Path(name), time.monotonic()
        samples = backfill(folder, args.slos, rules)
        print(f"{samples:,} samples of a month written in {time.monotonic() - started:.0f} s", file=sys.stderr)
        with prometheus(folder) as server:
            costs = {tool: evaluated(server, rules[tool]) for tool in rules}
            of_window = windows(server, rules["ours"], args.slos)
    figures = {tool: {field: getattr(cost, field) for field in Cost.__slots__} for tool, cost in costs.items()}
    if args.json:
        print(json.dumps({"slos": args.slos, "samples": samples, "tools": figures, "windows": of_window}, indent=2))
    else:
        report(args.slos, costs, of_window)
    ours = costs["ours"]
    missed = [
        tool
        for tool, share in TARGETS.items()
        if ours.samples > share * costs[tool].samples or ours.seconds > share * costs[tool].seconds
    ]
    return 1 if missed else 0


def report(number, costs, of_window):
    """The table, and the ratios that are promised."""
    print(f"{number:,} SLOs after 30 days, per round of {ROUND} s")
    print(f"{'':<8}{'rules':>8}{'samples read':>15}{'CPU s':>9}{'MB allocated':>14}{'samples at once':>17}")
    for tool, cost in costs.items():
        print(
            f"{tool:<8}{cost.rules:>8,}{cost.samples:>15,.0f}{cost.seconds:>9.2f}"
            f"{cost.allocated / 1e6:>14,.0f}{cost.peak:>17,}"
        )
    ours = costs["ours"]
    for tool, share in TARGETS.items():
        peer = costs[tool]
        print(
            f"ours / {tool}: samples {ours.samples / peer.samples:.3f}, seconds {ours.seconds / peer.seconds:.3f}, "
            f"allocated {ours.allocated / peer.allocated:.3f} (at most {share})"
        )
    print("samples per SLO and round: " + ", ".join(f"{window} {read:.0f}" for window, read in of_window.items()))


if __name__ == "__main__":
    sys.exit(main())
