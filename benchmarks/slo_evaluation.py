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
import http.client
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

from ruamel.yaml import YAML

from inferometer.fleet import durations
from inferometer.fleet.loader import loads
from inferometer.fleet.slos import slos
from inferometer_alerts import recorded_slos
from inferometer_alerts.generation import files
from inferometer_alerts.slo_labels import labels

ROOT = Path(__file__).parents[1]
PROMETHEUS = ROOT / ".tools/bin/prometheus"
PEERS = ROOT / "tests/data/slo"
END = 1_767_225_600
DAY = 86_400
PERIOD = 30 * DAY
ROUND = 30
SHARED = 10
"""SLOs that read the same raw counters, of the peers."""
TARGETS = {"sloth": 0.25, "pyrra": 0.5}
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


@dataclass(slots=True)
class Cost:
    """Of one round of 30 s."""

    rules: int = 0
    samples: float = 0
    seconds: float = 0
    allocated: float = 0
    peak: int = 0


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


class Server:
    """A Prometheus that evaluates what it is asked."""

    def __init__(self, pid, port):
        self.pid = pid
        self.web = http.client.HTTPConnection("127.0.0.1", port, timeout=600)

    def ask(self, path, **form):
        """An answer of its API, as text."""
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        self.web.request("POST" if form else "GET", path, urlencode(form) if form else None, kind if form else {})
        answer = self.web.getresponse()
        text = answer.read()
        if answer.status != 200:
            raise SystemExit(f"{path}: {text[:500]!r}")
        return text

    def query(self, expr):
        """Evaluates an expression at the end; samples read, and the most at once."""
        stats = json.loads(self.ask("/api/v1/query", query=expr, time=END, stats="all"))["data"]["stats"]["samples"]
        return stats["totalQueryableSamples"], stats["peakSamples"]

    def cpu_seconds(self):
        """CPU time that the process used."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def allocated(self):
        """Bytes that the process allocated so far."""
        return float(re.search(rb"^go_memstats_alloc_bytes_total (\S+)", self.ask("/metrics"), re.MULTILINE)[1])


@contextmanager
def prometheus(folder) -> Iterator[Server]:
    """Prometheus on the blocks, on a free port."""
    (folder / "prometheus.yml").write_text("global: {}\n")
    log = (folder / "log").open("w+")
    process = subprocess.Popen(
        [
            PROMETHEUS, f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data",
            "--web.listen-address=127.0.0.1:0", "--storage.tsdb.retention.time=100y", "--query.timeout=10m",
            "--storage.tsdb.min-block-duration=2h", "--storage.tsdb.max-block-duration=2h",
        ],
        stderr=log,
    )  # fmt: skip
    try:
        deadline, port = time.monotonic() + 300, None
        while port is None:
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit((folder / "log").read_text()[-2000:])
            time.sleep(0.2)
            said = (folder / "log").read_text()
            if "Server is ready" in said:
                port = int(re.search(r"Listening on.*address=127\.0\.0\.1:(\d+)", said)[1])
        yield Server(process.pid, port)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)
        log.close()


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
    if not PROMETHEUS.exists():
        parser.error(f"{PROMETHEUS} is not there: `make tools` builds it")
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
