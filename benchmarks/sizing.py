"""What the stack itself costs: CPU time, bytes and disk of each part per request, per trace, per sample, per second.

``python benchmarks/sizing.py [--rate 5000] [--seconds 40]``

Real programs, one after the other where they would be in each other's way: a sidecar that takes records over its socket
in real time and is scraped by Prometheus, which writes to Thanos; then what the sidecar exported, into a Jaeger on disk
and through two rows of Collectors. CPU time is the process' own (user and system), so a busy machine changes it little;
no wall clock is a result. What a part costs without requests is measured first and taken off. At the end the arithmetic
for a day and for rates up to 100,000 requests/s; docs/sizing.md explains it.
"""

import argparse
import json
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Self

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from sidecar import THRESHOLDS
from sizing_programs import BIN, ROOT, Peer, cpu, metric, page_bytes, port, size, spent
from sizing_table import Costs, report
from sizing_traffic import Sink, copies, post, send, spans_of

from inferometer.fleet.thresholds_file import dumps
from inferometer_alerts.addresses import Addresses
from inferometer_alerts.time_scale import TimeScale
from inferometer_compose import web
from inferometer_compose.stack.configuration import demo_fleet, generate
from inferometer_compose.stack.fleet import SidecarPorts
from inferometer_compose.stack.fleet import sidecar as sidecar_command
from inferometer_compose.stack.process import Command, Process

TIME_SCALE = 15
"""A scrape and half an evaluation of the rules a second."""
SETTLING = 4
"""Seconds in which what was held for its trace's decision is settled."""
SLOWER = 10
"""By how much the first of two loads is smaller."""


def of_sidecar(costs: Costs, sink: Sink, rate: int, seconds: float) -> None:
    """A sidecar alone, under load, and scraped by a Prometheus that writes to a Thanos."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="inferometer-sizing-")))
        (folder / "thresholds.json").write_text(dumps(THRESHOLDS))
        ports = SidecarPorts(port(), port())
        command = sidecar_command(
            folder / "state",
            ports=ports,
            socket=folder / "s.sock",
            thresholds=folder / "thresholds.json",
            otlp=sink.url,
        )
        sidecar = Process(command, folder)
        stack.callback(sidecar.end, within_seconds=20)
        sidecar.wait_until(lambda: web.answers(f"http://127.0.0.1:{ports.api}/healthz"), within_seconds=60)
        time.sleep(3)
        costs.sidecar_per_second = (spent(sidecar, seconds / 2)) / (seconds / 2)
        # Passes cost the same whatever they bring: two rates, in turns, tell them from the requests.
        warm = loaded(sidecar, folder, rate // SLOWER, seconds / 4)
        turns = [[loaded(sidecar, folder, many, seconds / 2) for many in (rate // SLOWER, rate)] for _ in range(2)]
        slow, fast = (Load.joined(parts) for parts in zip(*turns, strict=True))
        more = fast.taken - slow.taken
        costs.sidecar_per_request = (fast.cpu - slow.cpu) / more
        idle = costs.sidecar_per_second * (seconds + 2 * SETTLING)
        costs.passes_per_second = (slow.cpu - idle - slow.taken * costs.sidecar_per_request) / seconds
        costs.wire_per_request = fast.wire / fast.taken
        costs.recorder_per_request = fast.disk / fast.taken
        taken = warm.taken + slow.taken + fast.taken
        spans = [span for one in sink.bodies for span in spans_of(ExportTraceServiceRequest.FromString(one))]
        traces = len({span.trace_id for span in spans})
        costs.traces_per_request, costs.spans_per_trace = traces / taken, len(spans) / traces
        costs.export_per_trace = sink.wire / traces
        of_prometheus(costs, stack, sidecar, f"127.0.0.1:{ports.metrics}", seconds)


@dataclass(frozen=True, slots=True)
class Load:
    """What a load took: requests, bytes on the socket, CPU of the sidecar in seconds, bytes that its folder grew by."""

    taken: int
    wire: int
    cpu: float
    disk: int

    @classmethod
    def joined(cls, parts: Iterable[Self]) -> Self:
        """Several as one."""
        return cls(*(sum(values) for values in zip(*(astuple(part) for part in parts), strict=True)))


def loaded(sidecar: Process, folder: Path, rate: int, seconds: float) -> Load:
    before, stored = cpu(sidecar), size(folder / "state")
    taken, wire = send(folder / "s.sock", rate, seconds)
    time.sleep(SETTLING)
    return Load(taken, wire, cpu(sidecar) - before, size(folder / "state") - stored)


def of_prometheus(costs: Costs, stack: ExitStack, sidecar: Process, target: str, seconds: float) -> None:
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="inferometer-sizing-")))
    write, store, there = (f"127.0.0.1:{port()}" for _ in range(3))
    thanos = Process(
        Command("thanos", [
            str(BIN / "thanos"), "receive", f"--tsdb.path={folder}/thanos", f"--remote-write.address={write}",
            f"--grpc-address={store}", f"--http-address=127.0.0.1:{port()}", '--label=receiver="one"',
            "--tsdb.max-exemplars=1000", "--log.level=warn",
        ], {}), folder,
    )  # fmt: skip
    stack.callback(thanos.end, within_seconds=20)
    addresses = Addresses(sidecars=(target,), prometheus=there, alertmanager=f"127.0.0.1:{port()}", store=write)
    made = generate(demo_fleet(), folder / "config", time_scale=TIME_SCALE, addresses=addresses)
    arguments = [
        str(BIN / "prometheus"), f"--config.file={made.folder}/prometheus/scale.yml", "--web.enable-admin-api",
        f"--storage.tsdb.path={folder}/prometheus-data", f"--web.listen-address={there}", "--log.level=error",
        *TimeScale(TIME_SCALE).prometheus_flags(),
    ]  # fmt: skip
    prometheus = Process(Command("prometheus", arguments, {"REGION": "eu", "REPLICA": "a"}), folder)
    stack.callback(prometheus.end, within_seconds=20)
    url = f"http://{there}"
    prometheus.wait_until(lambda: web.answers(f"{url}/-/ready"), within_seconds=60)
    time.sleep(10)
    begin = metric(url, "prometheus_remote_storage_samples_total"), metric(url, "prometheus_remote_storage_bytes_total")
    scrapes = time.monotonic()
    shares = [(process, cpu(process)) for process in (sidecar, prometheus, thanos)]
    time.sleep(seconds)
    scrapes = time.monotonic() - scrapes
    used = [cpu(process) - before for process, before in shares]
    samples = metric(url, "prometheus_remote_storage_samples_total") - begin[0]
    costs.sidecar_per_scrape = used[0] / scrapes - costs.sidecar_per_second
    costs.prometheus_per_scrape = used[1] / scrapes
    costs.thanos_per_sample = used[2] / samples
    costs.write_per_sample = (metric(url, "prometheus_remote_storage_bytes_total") - begin[1]) / samples
    costs.samples = samples / scrapes
    costs.page_bytes = page_bytes(f"http://{target}/metrics")
    request = urllib.request.Request(f"{url}/api/v1/admin/tsdb/snapshot", method="POST")
    name = json.load(urllib.request.urlopen(request, timeout=60))["data"]["name"]
    blocks = list((folder / "prometheus-data/snapshots" / name).iterdir())
    stored = sum(json.loads((block / "meta.json").read_text())["stats"]["numSamples"] for block in blocks)
    costs.disk_per_sample = sum(size(block / "chunks") for block in blocks) / stored


def of_traces(costs: Costs, sink: Sink) -> None:
    """Jaeger with its disk, and the rows of Collectors before it."""
    bodies = list(copies(sink.bodies))
    traces = len({span.trace_id for body in bodies for span in spans_of(ExportTraceServiceRequest.FromString(body))})
    jaeger_files = [ROOT / f"compose/jaeger/{name}.yaml" for name in ("config", "disk", "span-metrics-off")]
    with ExitStack() as stack:
        jaeger = Peer(stack, "jaeger", [str(BIN / "jaeger")], jaeger_files)
        jaeger.wait(4318)
        jaeger.wait(16686)
        idle = spent(jaeger.process, 5) / 5
        begin, before = time.monotonic(), cpu(jaeger.process)
        for body in bodies:
            post(jaeger.address(4318), body)
        time.sleep(5)
        costs.jaeger_per_trace = (cpu(jaeger.process) - before - idle * (time.monotonic() - begin)) / traces
        jaeger.process.end(within_seconds=30)
        costs.jaeger_disk_per_trace = size(jaeger.folder / "badger") / traces
    with ExitStack() as stack:
        jaeger = Peer(stack, "jaeger", [str(BIN / "jaeger")], jaeger_files)
        jaeger.wait(4317)
        samplers = [ROOT / "compose/collector/sampler.yaml"]
        sampler = Peer(stack, "sampler", [str(BIN / "otelcol")], samplers, **{"jaeger:4317": jaeger.address(4317)})
        sampler.wait(4317)
        at = sampler.address(4317).partition(":")[2]
        near = {'dns: {hostname: sampler, port: "4317", interval: 5s}': f"static: {{hostnames: ['127.0.0.1:{at}']}}"}
        balancers = [ROOT / "compose/collector/balancer.yaml"]
        balancer = Peer(stack, "balancer", [str(BIN / "otelcol")], balancers, **near)
        balancer.wait(4318)
        idle = [spent(one.process, 3) / 3 for one in (balancer, sampler)]
        begin, before = time.monotonic(), [cpu(one.process) for one in (balancer, sampler)]
        for body in bodies:
            post(balancer.address(4318), body)
        time.sleep(6)
        lasted = time.monotonic() - begin
        used = [cpu(one.process) - was - rest * lasted
                for one, was, rest in zip((balancer, sampler), before, idle, strict=True)]  # fmt: skip
        costs.balancer_per_trace, costs.sampler_per_trace = (one / traces for one in used)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=int, default=5_000, help="requests per second")
    parser.add_argument("--seconds", type=float, default=40.0)
    args = parser.parse_args()
    missing = [name for name in ("prometheus", "jaeger", "otelcol", "thanos") if not (BIN / name).exists()]
    if missing:
        print(f"sizing.py: {', '.join(missing)} missing in .tools/bin: tools/build.sh builds them", file=sys.stderr)
        return 2
    costs, sink = Costs(), Sink()
    of_sidecar(costs, sink, args.rate, args.seconds)
    of_traces(costs, sink)
    report(costs)
    return 0


if __name__ == "__main__":
    sys.exit(main())
