"""Two rows of Collectors before a Jaeger with a store of its own: whole traces, the right ones, every exemplar's."""

import json
import random
import time
from types import SimpleNamespace
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import pytest
from free_ports import free_port
from jaeger_server import Jaeger
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Status
from otelcol_server import Collectors
from prometheus_server import PROGRAM, eventually
from sidecar_under_test import Sidecar
from wire_worker import THRESHOLDS, Worker

from inferometer.catalog import requests, spans
from inferometer.fleet.thresholds_file import dumps
from inferometer_alerts.addresses import Addresses
from inferometer_alerts.time_scale import TimeScale
from inferometer_compose import web
from inferometer_compose.stack.collectors import unwell
from inferometer_compose.stack.configuration import demo_fleet, generate
from inferometer_compose.stack.process import Command, Process

pytestmark = [pytest.mark.peers, pytest.mark.timeout(240)]

TIME_SCALE = 15
"""A scrape a second."""
SECOND = 10**9
GRACE_SECONDS = 10
"""How long Docker waits for a container that was told to end, before it kills it."""
ORDINARY = 300
FOREIGN = {"failed": {"failed": True}, "slow": {"seconds": 6.0}, "dear": {"usd": 0.2}}
ROOT, CHILD = "POST /theirs", "their work"


def foreign(trace, *, half, failed=False, seconds=0.01, usd=0.0001):
    """A root or its child of a trace of somebody else's, as one export."""
    request = ExportTraceServiceRequest()
    resource = request.resource_spans.add()
    name = resource.resource.attributes.add()
    name.key, name.value.string_value = spans.SERVICE_NAME.name, "theirs"
    span = resource.scope_spans.add().spans.add()
    span.trace_id = trace.to_bytes(16, "big")
    span.span_id = (trace + half & (1 << 64) - 1).to_bytes(8, "big")
    span.name = (ROOT, CHILD)[half]
    span.start_time_unix_nano = time.time_ns() - 10 * SECOND
    span.end_time_unix_nano = span.start_time_unix_nano + int(seconds * SECOND)
    cost = span.attributes.add()
    cost.key, cost.value.double_value = spans.COST.name, usd
    if half:
        span.parent_span_id = (trace & (1 << 64) - 1).to_bytes(8, "big")
        span.status.code = Status.STATUS_CODE_ERROR if failed else Status.STATUS_CODE_UNSET
    return request.SerializeToString()


def post(url, body):
    request = Request(f"{url}/v1/traces", data=body, headers={"content-type": "application/x-protobuf"})
    with urlopen(request, timeout=10) as answer:
        assert answer.status == 200


def prometheus(folder, page):
    port = free_port()
    addresses = Addresses(sidecars=(page,), prometheus=f"127.0.0.1:{port}", alertmanager=f"127.0.0.1:{free_port()}")
    made = generate(demo_fleet(), folder / "config", time_scale=TIME_SCALE, addresses=addresses)
    command = [
        str(PROGRAM), f"--config.file={made.prometheus}", f"--storage.tsdb.path={folder}/data",
        f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn", *TimeScale(TIME_SCALE).prometheus_flags(),
    ]  # fmt: skip
    process, url = Process(Command("prometheus", command, {}), folder), f"http://127.0.0.1:{port}"
    process.wait_until(lambda: web.answers(f"{url}/-/ready"), within_seconds=60)
    return process, url


def exemplars(prometheus_url):
    """Traces that exemplars of latency and cost point at."""
    asked = {"query": f'{{__name__=~"{requests.REQUEST_DURATION.name}.*|{requests.REQUEST_COST.name}.*"}}'}
    asked |= {"start": str(time.time() - 300), "end": str(time.time())}
    answer = web.fetch(f"{prometheus_url}/api/v1/query_exemplars?{urlencode(asked)}", timeout_seconds=30)
    if answer.status != 200:
        return set()
    found = json.loads(answer.body)["data"]
    return {one["labels"][spans.EXEMPLAR_TRACE_ID] for series in found for one in series["exemplars"]}


@pytest.fixture(scope="module")
def line(tmp_path_factory):
    """A sidecar and somebody without one send through two rows of Collectors; Prometheus scrapes the sidecar."""
    folder = tmp_path_factory.mktemp("gateway")
    random.seed(7)
    store = Jaeger(folder / "store", "store-server.yaml", "disk.yaml", service="jaeger-store")
    named = {"jaeger-store:17271": store.address(17271), "jaeger-store:4317": store.address(4317)}
    jaeger = Jaeger(folder / "jaeger", "config.yaml", "store.yaml", "span-metrics-off.yaml", named=named)
    collectors = Collectors(folder / "collectors", jaeger.address(4317))
    (folder / "thresholds.json").write_text(dumps(THRESHOLDS))
    sidecar = Sidecar(folder, "--otlp", f"{collectors.otlp}/v1/traces", "--metrics-port", str(free_port()))
    sidecar.start()
    scraping, url = prometheus(folder, sidecar.metrics.removeprefix("http://").partition("/")[0])
    worker = Worker(folder / "sidecar.sock", per_frame=4)
    worker.thread.start()
    try:
        ordinary = [random.getrandbits(127) | 1 for _ in range(ORDINARY)]
        telling = {name: random.getrandbits(127) | 1 for name in FOREIGN}
        # Both halves at once: who has only one of them when its time is over decides by that one.
        sent = [(trace, {}) for trace in ordinary] + [(trace, FOREIGN[name]) for name, trace in telling.items()]
        for trace, kind in sent:
            for half in (0, 1):
                post(collectors.otlp, foreign(trace, half=half, **kind))
        assert eventually(lambda: len(exemplars(url)) > 20)
        worker.finish()
        yield SimpleNamespace(
            collectors=collectors,
            jaeger=jaeger, store=store, url=url, worker=worker, ordinary=[f"{one:032x}" for one in ordinary],
            telling={name: f"{one:032x}" for name, one in telling.items()},
        )  # fmt: skip
    finally:
        scraping.end(within_seconds=20)
        sidecar.terminate()
        collectors.close()
        jaeger.end()
        store.end()


def missing(jaeger, traces):
    return [trace for trace in traces if not jaeger.trace(trace)]


def test_each_collector_says_how_it_is_to_the_container_that_asks_for_all(line):
    ports = line.collectors.health
    gone = free_port()

    assert len(ports) == 3
    assert list(unwell(f"127.0.0.1:{port}" for port in ports)) == []
    assert [sentence.split()[0] for sentence in unwell([f"127.0.0.1:{gone}"])] == [f"127.0.0.1:{gone}"]


def test_every_exemplar_in_prometheus_opens_a_trace_in_jaeger(line):
    pointed = exemplars(line.url)

    assert len(pointed) > 20
    assert eventually(lambda: not missing(line.jaeger, pointed)), missing(line.jaeger, pointed)


def test_what_no_sidecar_kept_does_not_reach_jaeger(line):
    sent = {f"{1:016x}{span:016x}" for span in line.worker.spans}
    unremarkable = random.sample(sorted(sent - exemplars(line.url)), 60)

    found = 60 - len(missing(line.jaeger, unremarkable))

    # One of five is slower than its objective; of the rest, one of fifty is the baseline.
    assert 0 < found < 35


def test_what_failed_was_slow_or_dear_at_somebody_elses_is_kept_whole(line):
    def kept():
        return {name: sorted(span["operationName"] for span in line.jaeger.trace(one))
                for name, one in line.telling.items()}  # fmt: skip

    assert eventually(lambda: kept() == {name: [ROOT, CHILD] for name in FOREIGN}), kept()


def test_of_ordinary_traces_of_somebody_else_a_baseline_is_kept_and_none_by_halves(line):
    found = [len(line.jaeger.trace(trace)) for trace in line.ordinary]

    assert set(found) <= {0, 2}
    # Two in a hundred: six of 300; 20 are as likely as one in 10^5.
    assert 0 < found.count(2) < 20


def test_traces_are_still_there_when_a_jaeger_in_front_of_the_store_starts_again(line):
    line.jaeger.end()
    line.jaeger.start()

    assert not missing(line.jaeger, line.telling.values())


def test_the_store_ends_before_docker_would_kill_it(line):
    began = time.monotonic()
    line.store.end()

    assert time.monotonic() - began < GRACE_SECONDS
