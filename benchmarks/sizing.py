"""What the stack itself costs: CPU time, bytes and disk of each part per request, per trace, per sample, per second.

``python benchmarks/sizing.py [--rate 5000] [--seconds 40]``

Real programs, one after the other where they would be in each other's way: a sidecar that takes records over its socket
in real time and is scraped by Prometheus, which writes to Thanos; then what the sidecar exported, into a Jaeger on disk
and through two rows of Collectors. CPU time is the process' own (user and system), so a busy machine changes it little;
no wall clock is a result. What a part costs without requests is measured first and taken off. At the end the arithmetic
for a day and for rates up to 100,000 requests/s; docs/sizing.md explains it.
"""

import argparse
import gzip
import json
import os
import re
import secrets
import socket
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import astuple, dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Self

import numpy as np
import psutil
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from sidecar import SHAPES, THRESHOLDS, rows

from inferometer.fleet.thresholds_file import dumps
from inferometer.intake.passes import boot_id
from inferometer.wire.frame import Frame, Names, encode
from inferometer.wire.layout import Section
from inferometer.wire.message import Hello, Reader, Type, acked, pack
from inferometer_alerts.addresses import Addresses
from inferometer_alerts.time_scale import TimeScale
from inferometer_compose import web
from inferometer_compose.stack.configuration import demo_fleet, generate
from inferometer_compose.stack.fleet import SidecarPorts
from inferometer_compose.stack.fleet import sidecar as sidecar_command
from inferometer_compose.stack.process import Command, Process

ROOT = Path(__file__).parents[1]
BIN = ROOT / ".tools/bin"
WORKERS = 4
FLUSHES_PER_SECOND = 4
TIME_SCALE = 15
"""A scrape and half an evaluation of the rules a second."""
DAY = 86_400
SETTLING = 4
"""Seconds in which what was held for its trace's decision is settled."""
SLOWER = 10
"""By how much the first of two loads is smaller."""
COPIES = 4
"""How often what was exported is sent to Jaeger and to the Collectors: with ids of its own each time."""


@dataclass(slots=True)
class Costs:
    """What was measured; CPU in seconds."""

    sidecar_per_second: float = 0.0
    passes_per_second: float = 0.0
    sidecar_per_request: float = 0.0
    sidecar_per_scrape: float = 0.0
    wire_per_request: float = 0.0
    recorder_per_request: float = 0.0
    traces_per_request: float = 0.0
    spans_per_trace: float = 0.0
    export_per_trace: float = 0.0
    page_bytes: float = 0.0
    samples: float = 0.0
    prometheus_per_scrape: float = 0.0
    disk_per_sample: float = 0.0
    write_per_sample: float = 0.0
    thanos_per_sample: float = 0.0
    jaeger_per_trace: float = 0.0
    jaeger_disk_per_trace: float = 0.0
    balancer_per_trace: float = 0.0
    sampler_per_trace: float = 0.0


def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def cpu(process: Process) -> float:
    times = psutil.Process(process.pid).cpu_times()
    return times.user + times.system


def size(folder: Path) -> int:
    return sum(path.stat().st_blocks * 512 for path in folder.rglob("*") if path.is_file())


class Sink:
    """Takes OTLP over HTTP, and keeps it."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.wire = 0
        sink = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                sink.wire += len(body)
                sink.bodies.append(gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body)
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"


def send(path: Path, rate: int, seconds: float) -> tuple[int, int]:
    """Send records as workers do, in real time; requests and bytes on the socket."""
    random = np.random.default_rng()
    shapes = {i: ("svc", f"m{i % 6}", "v1", "", f"t{i % 4}", "", "POST", f"/m{i % 6}") for i in range(SHAPES)}
    per_frame = max(1, rate // WORKERS // FLUSHES_PER_SECOND)
    connections, readers, ids = (
        [],
        [Reader() for _ in range(WORKERS)],
        [secrets.token_bytes(16) for _ in range(WORKERS)],
    )
    sent = 0
    for worker_id in ids:
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(str(path))
        hello = Hello(
            worker_id=worker_id, pid=os.getpid(), service="svc", sdk_version="0", boot_id=boot_id(), host="host",
            start_ns=time.monotonic_ns(), names=Names(shapes, {1: "host"}),
        )  # fmt: skip
        connection.sendall(pack(Type.HELLO, hello.to_bytes()))
        connections.append(connection)
    turns = int(seconds * FLUSHES_PER_SECOND)
    begin = time.monotonic()
    for turn in range(1, turns + 1):
        time.sleep(max(0.0, begin + turn / FLUSHES_PER_SECOND - time.monotonic()))
        for worker_id, connection in zip(ids, connections, strict=True):
            now = time.monotonic_ns()
            requests, executes = rows(random, per_frame, now - per_frame * 10_000 - 1_000_000)
            tables = {Section.REQUESTS: requests.tobytes(), Section.EXECUTES: executes.tobytes()}
            frame = Frame(
                worker_id=worker_id, sequence=turn, monotonic_ns=now, wall_ns=time.time_ns(), gauges={"in_flight": 3},
                tables=tables,
            )  # fmt: skip
            message = pack(Type.FRAME, encode(frame))
            sent += len(message)
            connection.sendall(message)
    for connection, reader in zip(connections, readers, strict=True):
        last = 0
        while last < turns:
            for kind, payload in reader.feed(connection.recv(65_536)):
                last = acked(payload) if kind == Type.ACK else last
        connection.close()
    return turns * per_frame * WORKERS, sent


class Peer:
    """A program with a file of compose/, on ports and in a folder of its own."""

    def __init__(self, stack: ExitStack, name: str, command: list[str], files: list[Path], **named: str) -> None:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="inferometer-sizing-")))
        self.folder = folder
        self._ports: dict[int, int] = {}
        for index, path in enumerate(files):
            text = path.read_text().replace("/badger", str(folder / "badger"))
            text = text.replace("/etc/inferometer", str(ROOT / "compose/config/jaeger"))
            for far, near in named.items():
                text = text.replace(far, near)
            text = re.sub(r"0\.0\.0\.0:(\d+)", lambda found: self.address(int(found[1])), text)
            (folder / f"{index}.yaml").write_text(text)
        configured = [f"--config={folder}/{index}.yaml" for index in range(len(files))]
        self.process = Process(Command(name, [*command, *configured], {"DECISION_WAIT": "2s"}), folder)
        stack.callback(self.process.end, within_seconds=20)

    def address(self, usual: int) -> str:
        """Host and port that stand for a usual port."""
        return f"127.0.0.1:{self._ports.setdefault(usual, port())}"

    def wait(self, usual: int) -> None:
        """Wait until somebody listens there."""
        host, _, number = self.address(usual).partition(":")
        self.process.wait_until(lambda: answers((host, int(number))), within_seconds=60)


def answers(address: tuple[str, int]) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(address) == 0


def metric(url: str, name: str) -> float:
    """Sum of a family on a page of Prometheus' own."""
    text = web.fetch(f"{url}/metrics", timeout_seconds=30).body.decode()
    return sum(
        float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith((f"{name}{{", f"{name} "))
    )


def page_bytes(url: str) -> int:
    """Bytes of a scrape as Prometheus asks for it."""
    accept = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"
    request = urllib.request.Request(url, headers={"Accept": accept, "Accept-Encoding": "gzip"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return len(answer.read())


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


def spent(process: Process, seconds: float) -> float:
    before = cpu(process)
    time.sleep(seconds)
    return cpu(process) - before


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


def spans_of(request: ExportTraceServiceRequest):
    return [span for resource in request.resource_spans for scope in resource.scope_spans for span in scope.spans]


def copies(bodies: list[bytes]):
    """The same exports as other traces."""
    for number in range(COPIES):
        for body in bodies:
            request = ExportTraceServiceRequest.FromString(body)
            for span in spans_of(request):
                span.trace_id = (int.from_bytes(span.trace_id, "big") ^ number << 100).to_bytes(16, "big")
            yield request.SerializeToString()


def post(address: str, body: bytes) -> None:
    """As the sidecar does: who says that it is busy is asked again."""
    headers = {"content-type": "application/x-protobuf", "content-encoding": "gzip"}
    request = urllib.request.Request(f"http://{address}/v1/traces", data=gzip.compress(body, 1), headers=headers)
    while True:
        try:
            urllib.request.urlopen(request, timeout=60).close()
        except urllib.error.HTTPError as error:
            if error.code != HTTPStatus.SERVICE_UNAVAILABLE:
                raise
            time.sleep(0.2)
        else:
            return


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


def report(costs: Costs) -> None:
    micro = 1e6
    print("| part | per | measured |\n|---|---|---|")
    for part, per, value in (
        ("sidecar, nothing to do", "second", f"{costs.sidecar_per_second * 1e3:.1f} ms CPU"),
        ("sidecar, passes under load", "second", f"{costs.passes_per_second * 1e3:.1f} ms CPU"),
        ("sidecar", "request", f"{costs.sidecar_per_request * micro:.1f} µs CPU"),
        ("sidecar", "scrape", f"{costs.sidecar_per_scrape * 1e3:.1f} ms CPU"),
        ("worker to sidecar", "request", f"{costs.wire_per_request:.0f} bytes on a local socket"),
        ("flight recorder and state", "request", f"{costs.recorder_per_request:.0f} bytes of disk, for its window"),
        ("traces kept", "request", f"{costs.traces_per_request:.2%}, {costs.spans_per_trace:.1f} spans each"),
        ("sidecar to Jaeger", "kept trace", f"{costs.export_per_trace:.0f} bytes on the wire"),
        ("Jaeger", "kept trace", f"{costs.jaeger_per_trace * micro:.0f} µs CPU"),
        ("Jaeger, Badger", "kept trace", f"{costs.jaeger_disk_per_trace:.0f} bytes of disk"),
        ("balancer", "kept trace", f"{costs.balancer_per_trace * micro:.0f} µs CPU"),
        ("sampler", "kept trace", f"{costs.sampler_per_trace * micro:.0f} µs CPU"),
        ("page of 6 models, 4 tenants", "scrape", f"{costs.page_bytes:.0f} bytes on the wire, compressed"),
        ("samples, recorded ones included", "scrape", f"{costs.samples:.0f}"),
        ("Prometheus, rules included", "scrape", f"{costs.prometheus_per_scrape * 1e3:.1f} ms CPU"),
        ("Prometheus' disk", "sample", f"{costs.disk_per_sample:.2f} bytes"),
        ("remote write", "sample", f"{costs.write_per_sample:.2f} bytes on the wire"),
        ("Thanos receiving", "sample", f"{costs.thanos_per_sample * micro:.2f} µs CPU"),
    ):
        print(f"| {part} | {per} | {value} |")
    heads = (
        "requests", "hosts", "cores of sidecars", "of Prometheus", "of Collectors", "of Jaeger", "kB/s to Jaeger",
        "kB/s of remote write", "GB of recorders, 24 h", "of Jaeger, 3 d", "of Prometheus, 35 d",
    )  # fmt: skip
    print(f"\n| {' | '.join(heads)} |\n|{'---|' * len(heads)}")
    for name, rate, hosts in LOADS:
        print(f"| {' | '.join((name, str(hosts), *extrapolated(costs, rate, hosts)))} |")


LOADS = (("1M a day", 1e6 / DAY, 1), ("1,000/s", 1e3, 4), ("10,000/s", 1e4, 40), ("100,000/s", 1e5, 400))
"""Name, requests per second, hosts with a sidecar: 250 requests/s on each."""
SCRAPES_PER_SECOND = 1 / 15
RECORDER_SECONDS, JAEGER_SECONDS, PROMETHEUS_SECONDS = DAY, 3 * DAY, 35 * DAY
"""What is kept how long unless somebody says otherwise."""
RECORDER_BYTES = 2 << 30
"""Of each recorder, at most."""


def extrapolated(costs: Costs, rate: float, hosts: int) -> tuple[str, ...]:
    """The arithmetic of docs/sizing.md."""
    fixed = costs.sidecar_per_second + costs.passes_per_second + costs.sidecar_per_scrape * SCRAPES_PER_SECOND
    kept = rate * costs.traces_per_request
    cores = (
        hosts * fixed + rate * costs.sidecar_per_request,
        hosts * costs.prometheus_per_scrape * SCRAPES_PER_SECOND,
        kept * (costs.balancer_per_trace + costs.sampler_per_trace),
        kept * costs.jaeger_per_trace,
    )
    samples = hosts * costs.samples * SCRAPES_PER_SECOND
    wire = kept * costs.export_per_trace, samples * costs.write_per_sample
    disks = (
        min(RECORDER_SECONDS * rate * costs.recorder_per_request, hosts * RECORDER_BYTES),
        JAEGER_SECONDS * kept * costs.jaeger_disk_per_trace,
        PROMETHEUS_SECONDS * samples * costs.disk_per_sample,
    )
    figures = (*cores, *(one / 1e3 for one in wire), *(one / 1e9 for one in disks))
    return tuple(f"{one:,.0f}" if one >= 100 else f"{one:.2g}" for one in figures)


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
