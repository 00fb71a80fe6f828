"""What requests of foreign engines cost: by their spans, by their pages, by both, and nothing twice."""

import secrets
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from inferometer.catalog import gpus, requests, telemetry
from inferometer.catalog.stages import Kind
from inferometer.fleet.thresholds import Price
from inferometer_exporters.engines.scrape import Scraped
from inferometer_exporters.engines.usage import Part, Usage
from inferometer_exporters.ledger.methods import Method
from inferometer_exporters.pages.fetch import PageUrl
from inferometer_exporters.receivers.enrichment import Home
from inferometer_exporters.receivers.foreign import Foreign
from inferometer_exporters.receivers.inbox import Inbox
from inferometer_exporters.receivers.incoming import incoming
from inferometer_exporters.recorder.cost_focus import rows as focus
from inferometer_exporters.recorder.cost_report import costs, report
from inferometer_exporters.source import Reading, Sample, Sampler

SECOND, MS = 10**9, 10**6
PRICE = Price(
    kind="gpu", model="*", picodollars_per_hour=3_600_000_000_000, price_kind="owned", source="test", as_of="2026-10-01"
)  # 1 picodollar per nanosecond
GPU = "GPU-1"
LLM = Scraped(url=PageUrl.parse("http://127.0.0.1:8000/metrics"), service="llm")


class Gpus(Sampler):
    """Reads GPUs each time that it is asked, as the clock of a test says."""

    def __init__(self, *names):
        super().__init__([])
        self.names = names
        self.busy = None
        self.bench = None

    def samples(self):
        readings = [Reading(gpus.GPU_INFO, (name, "NVIDIA Something", "580.1", "nvml"), 1) for name in self.names]
        if self.busy is not None:
            readings += [Reading(gpus.GPU_UTILIZATION, (name,), self.busy) for name in self.names]
        return [Sample(0, "nvml", tuple(readings), self.bench.clock.now)]


@pytest.fixture
def host(new_bench, make):
    """A host with some GPUs, whose engines have pages, and send spans."""
    inbox = Inbox()

    def foreign(bench, naming):
        return Foreign(
            inbox, bench.recorder, naming, home=Home(host="box"),
            only_model=lambda service: "qwen" if service == "llm" else "", wall_ns=bench.clock.wall,
        )  # fmt: skip

    def build(*names, pages=(LLM,), read_elsewhere=()):
        sampler = Gpus(*names)
        known = replace(make.THRESHOLDS, prices=(*make.THRESHOLDS.prices, PRICE), read_elsewhere=read_elsewhere)
        bench = new_bench(sampler=sampler, thresholds=known, pages=pages, foreign=foreign)
        sampler.bench = bench
        bench.gpus, bench.inbox = sampler, inbox
        bench.do_pass()
        return bench

    return build


def tell(bench, begin, end, *parts, method=Method.TOKENS, seconds=None, page=LLM):
    """A page was read: what it says of the time since the scrape before."""
    usage = Usage(
        service=page.service, replica=page.replica, begin=begin, end=end, method=method,
        seconds=sum(one.amount for one in parts) if seconds is None else seconds, parts=parts,
    )  # fmt: skip
    bench.pipeline.usages.append(usage)


def part(model, amount, phase=Kind.NONE):
    return Part(model=model, version="", region="", phase=phase, amount=amount)


def passes(bench, seconds, step=5.0):
    """Passes until *seconds* have gone by."""
    while seconds > 0:
        bench.do_pass(seconds=min(seconds, step))
        seconds -= step


def span(bench, begin, end, *, name="llm_request", prefill=0.2, decode=None, service="llm", tokens=512):
    """A request of vLLM, told by its span now; times are of the test's clock."""
    request = ExportTraceServiceRequest()
    resource = request.resource_spans.add()
    pair = resource.resource.attributes.add()
    pair.key, pair.value.string_value = "service.name", service
    one = resource.scope_spans.add().spans.add()
    one.trace_id, one.span_id = secrets.token_bytes(16), secrets.token_bytes(8)
    one.name, one.kind = name, 2
    offset = bench.clock.wall() - bench.clock.now
    one.start_time_unix_nano, one.end_time_unix_nano = begin + offset, end + offset
    times = {
        "gen_ai.latency.time_to_first_token": prefill,
        "gen_ai.latency.time_in_queue": 0.0,
        "gen_ai.latency.time_in_model_prefill": prefill,
        "gen_ai.latency.time_in_model_decode": (end - begin) / SECOND - prefill if decode is None else decode,
    }
    for key, value in times.items():
        pair = one.attributes.add()
        pair.key, pair.value.double_value = key, value
    for key, value in {"gen_ai.usage.prompt_tokens": tokens, "gen_ai.usage.completion_tokens": 60}.items():
        pair = one.attributes.add()
        pair.key, pair.value.int_value = key, value
    assert bench.inbox.put(incoming(request, request.ByteSize(), near=True, port="otlp-grpc"))


def account(bench, device=GPU):
    (found,) = [one for one in bench.pipeline.ledger.accounts if one.device.name == device]
    return found


def asked(bench, *by):
    """Cost by group, and the whole report."""
    cursor = bench.recorder.cursor()
    try:
        found = report(costs(cursor, by or ("service", "model")))
    finally:
        cursor.close()
    return {tuple(group["keys"].values()): group for group in found["groups"]}, found


def settle(bench, seconds=40):
    passes(bench, seconds, step=20.0)


def seconds(bench, model, phase="execute", method="tokens", service="llm", outcome="", device=GPU):
    ns = bench.value(requests.DEVICE_SECONDS, service, model, "", "", "", device, phase, outcome, method)
    return None if ns is None else ns / SECOND


def test_the_bill_of_a_gpu_that_a_scraped_engine_uses_goes_to_its_models(host):
    bench = host(GPU)
    bench.gpus.busy = 0.5
    begin = bench.clock.now
    passes(bench, 15)
    tell(bench, begin, bench.clock.now, part("qwen", 300, Kind.PREFILL), part("qwen", 600, Kind.DECODE),
         part("lora", 100, Kind.DECODE))  # fmt: skip
    settle(bench)
    groups, whole = asked(bench)

    # Half of 15 s, by the tokens.
    assert seconds(bench, "qwen", "prefill") == pytest.approx(7.5 * 0.3)
    assert seconds(bench, "qwen", "decode") == pytest.approx(7.5 * 0.6)
    assert seconds(bench, "lora", "decode") == pytest.approx(7.5 * 0.1)
    assert groups["llm", "qwen"]["cost_usd"] == pytest.approx(7.5 * 0.9 / 1000)
    assert groups["llm", "qwen"]["methods"] == ["tokens"]
    assert whole["total"]["residual_usd"] == 0
    gpu = next(one for one in whole["devices"] if one["device"] == GPU)
    assert gpu["requests_usd"] + gpu["idle_usd"] == pytest.approx(gpu["bill_usd"], abs=1e-12)
    assert sum(group["loaded_usd"] for group in groups.values()) == pytest.approx(gpu["bill_usd"], abs=1e-12)


@pytest.mark.parametrize(
    ("method", "told", "busy", "worked"),
    [
        (Method.BUSY, 6.0, 0.9, 6.0),
        (Method.COMPUTE, 4.0, None, 4.0),
        (Method.DURATION, 60.0, None, 15.0),  # four requests at a time: no more than the time that passed
        (Method.TOKENS, 9.0, None, 9.0),  # nobody reads how busy the GPU was
        (Method.TOKENS, 9.0, 0.2, 3.0),
    ],
)
def test_how_long_an_engine_worked_is_its_own_word_or_the_gpus(host, method, told, busy, worked):
    bench = host(GPU)
    bench.gpus.busy = busy
    begin = bench.clock.now
    passes(bench, 15)
    tell(bench, begin, bench.clock.now, part("qwen", 3.0), part("lora", 1.0), method=method, seconds=told)
    settle(bench)

    assert seconds(bench, "qwen", method=method.label) == pytest.approx(worked * 0.75, abs=1e-6)
    assert seconds(bench, "lora", method=method.label) == pytest.approx(worked * 0.25, abs=1e-6)


def test_an_engine_keeps_its_gpu_warm_and_one_that_is_gone_does_not(host):
    bench = host(GPU)
    begin = bench.clock.now
    passes(bench, 2)
    tell(bench, begin, bench.clock.now)
    passes(bench, 50)
    warm = account(bench).states["warm_idle"]
    passes(bench, 60)

    assert warm >= 49 * SECOND
    assert account(bench).states["warm_idle"] <= 61 * SECOND
    assert account(bench).states["unallocated"] >= 40 * SECOND


def test_requests_whose_spans_come_in_time_owe_what_they_used_by_phase(host):
    bench = host(GPU)
    # The first spans teach the ledger how long it has to wait.
    start = bench.clock.now
    passes(bench, 8)
    span(bench, start, start + 2 * SECOND)
    passes(bench, 20)
    start = bench.clock.now
    passes(bench, 4)
    for _ in range(2):
        span(bench, start, start + 2 * SECOND, prefill=0.5, tokens=64)
    passes(bench, 8, step=2.0)
    settle(bench)
    found = bench.rows("select device_ns, cost, method from requests order by start_ns")[1:]

    # Two requests at a time: a second each, and together what the GPU worked.
    assert found == [(SECOND, SECOND, int(Method.SWEEP))] * 2
    assert seconds(bench, "qwen", "prefill", "sweep", outcome="ok") == pytest.approx(0.5)
    assert seconds(bench, "qwen", "decode", "sweep", outcome="ok") == pytest.approx(1.5)
    assert asked(bench)[1]["total"]["residual_usd"] == 0


def test_spans_that_come_after_their_time_was_settled_cost_nothing_known_and_are_counted(host):
    bench = host(GPU)
    start = bench.clock.now
    passes(bench, 30)
    span(bench, start, start + 2 * SECOND)
    settle(bench)

    assert bench.rows("select device_ns, cost from requests") == [(0, None)]
    assert bench.value(telemetry.LATE_DEVICE_SECONDS, GPU) == 2 * SECOND
    assert account(bench).states["attributed"] == 0
    assert account(bench).lag > 30 * SECOND


def test_nothing_counts_twice_where_an_engine_is_scraped_and_traced(host):
    bench = host(GPU)
    account(bench).lag = 30 * SECOND
    begin = bench.clock.now
    passes(bench, 10)
    span(bench, begin + SECOND, begin + 4 * SECOND)
    span(bench, begin + 2 * SECOND, begin + 5 * SECOND)
    passes(bench, 5)
    # The page has these two, and a third one that was not sampled.
    tell(bench, begin, bench.clock.now, part("qwen", 7.0), method=Method.BUSY)
    settle(bench, 80)

    assert account(bench).states["attributed"] == pytest.approx(7 * SECOND, abs=2)
    own = bench.rows("select sum(device_ns) from requests")[0][0]
    rest = bench.rows("select sum(device_ns) from engine_shares")[0][0]
    assert own == 4 * SECOND  # from second 1 to 5
    assert rest == pytest.approx(3 * SECOND, abs=2)
    groups, whole = asked(bench)
    assert groups["llm", "qwen"]["device_seconds"] == pytest.approx(7)
    assert groups["llm", "qwen"]["methods"] == ["busy", "exclusive", "sweep"]
    assert whole["total"]["residual_usd"] == 0


def test_nothing_counts_twice_where_a_scraped_service_is_instrumented(host, make):
    bench = host(GPU, pages=(replace(LLM, service="gateway"),))
    worker, begin = make.worker(), bench.clock.now
    frame = worker.arrival(
        begin + 10 * SECOND,
        requests=[make.request(5, begin, begin + 10 * SECOND)],
        executes=[make.execute(5, begin + SECOND, begin + 9 * SECOND, device=4)],
    )
    bench.do_pass(frame, seconds=10)
    passes(bench, 6)
    page = replace(LLM, service="gateway")
    tell(bench, begin, bench.clock.now, part("minilm", 8.0), method=Method.COMPUTE, page=page)
    # The page came when the run had been settled: its claim is on the time that follows, in which 6 s are worked.
    begin = bench.clock.now
    frame = worker.arrival(
        begin + 15 * SECOND,
        requests=[make.request(6, begin, begin + 10 * SECOND)],
        executes=[make.execute(6, begin + SECOND, begin + 9 * SECOND, device=4)],
    )
    bench.do_pass(frame, seconds=15)
    settle(bench)

    assert account(bench).states["attributed"] == pytest.approx(16 * SECOND, abs=2)


def test_spans_of_a_service_whose_workers_tell_of_their_runs_are_not_charged_again(host, make):
    bench = host(GPU)
    account(bench).lag = 20 * SECOND
    worker, begin = make.worker(), bench.clock.now
    frame = worker.arrival(
        begin + 10 * SECOND,
        requests=[make.request(5, begin, begin + 8 * SECOND)],
        executes=[make.execute(5, begin, begin + 8 * SECOND, device=4)],
    )
    bench.do_pass(frame, seconds=10)
    span(bench, begin, begin + 8 * SECOND, service="gateway")
    settle(bench, 60)

    assert account(bench).states["attributed"] == 8 * SECOND
    assert bench.rows("select device_ns, cost from requests order by device_ns") == [
        (0, None),
        (8 * SECOND, 8 * SECOND),
    ]


def test_an_engine_whose_device_nobody_knows_is_charged_to_nobody(host):
    bench = host(GPU, "GPU-2")
    begin = bench.clock.now
    passes(bench, 15)
    tell(bench, begin, bench.clock.now, part("qwen", 5.0), method=Method.BUSY)
    span(bench, begin + 10 * SECOND, begin + 15 * SECOND)
    settle(bench)

    assert account(bench).states["attributed"] == account(bench, "GPU-2").states["attributed"] == 0
    assert bench.rows("select device_ns, cost from requests") == [(0, None)]


def test_a_page_on_another_host_is_not_of_this_hosts_gpu(host):
    page = Scraped(url=PageUrl.parse("http://10.0.0.7:8000/metrics"), service="llm")
    bench = host(GPU, pages=(page,))
    begin = bench.clock.now
    passes(bench, 15)
    tell(bench, begin, bench.clock.now, part("qwen", 5.0), method=Method.BUSY, page=page)
    settle(bench)

    assert account(bench).states["attributed"] == 0


def test_engines_run_where_fleet_yaml_says_and_a_group_owes_on_each_of_its_gpus(host):
    pages = (
        Scraped(url=PageUrl.parse("http://10.0.0.7:8000/metrics"), service="llm", devices="GPU-1, GPU-2"),
        Scraped(url=PageUrl.parse("http://10.0.0.7:8001/metrics"), service="llm", devices="GPU-3"),
    )
    bench = host("GPU-1", "GPU-2", "GPU-3", pages=pages)
    begin = bench.clock.now
    passes(bench, 15)
    for page, worked in zip(pages, (5.0, 2.0), strict=True):
        tell(bench, begin, bench.clock.now, part("qwen", worked), method=Method.BUSY, page=page)
    settle(bench)

    assert [account(bench, name).states["attributed"] / SECOND for name in ("GPU-1", "GPU-2", "GPU-3")] == [5, 5, 2]


def test_an_engine_on_a_host_without_gpus_runs_on_the_host(host):
    bench = host()
    begin = bench.clock.now
    passes(bench, 15)
    tell(bench, begin, bench.clock.now, part("iris", 3.0), method=Method.DURATION)
    settle(bench)

    assert account(bench, "box").states["attributed"] == 3 * SECOND
    assert account(bench, "box").lag == 0


def test_two_engines_that_count_tokens_divide_what_their_gpu_was_busy(host):
    other = Scraped(url=PageUrl.parse("http://127.0.0.1:8001/metrics"), service="small")
    bench = host(GPU, pages=(LLM, other))
    bench.gpus.busy = 0.8
    for _ in range(3):
        begin = bench.clock.now
        passes(bench, 15)
        tell(bench, begin, bench.clock.now, part("qwen", 300, Kind.DECODE))
        tell(bench, begin, bench.clock.now, part("tiny", 100, Kind.DECODE), page=other)
    settle(bench)

    busy = 45 * 0.8
    # Of the first scrape the one does not know the other yet.
    assert seconds(bench, "qwen", "decode") == pytest.approx(busy * 0.75, abs=3.1)
    assert seconds(bench, "tiny", "decode", service="small") == pytest.approx(busy * 0.25, abs=0.1)


def test_rows_of_the_bill_sum_to_it_and_name_the_method(host):
    bench = host(GPU)
    begin = bench.clock.now
    passes(bench, 15)
    tell(bench, begin, bench.clock.now, part("qwen", 5.0), method=Method.COMPUTE)
    settle(bench)
    cursor = bench.recorder.cursor()
    try:
        told = focus(costs(cursor, ("service", "model")))
    finally:
        cursor.close()
    rows = [dict(zip(told["columns"], row, strict=True)) for row in told["rows"]]
    gpu = [row for row in rows if row["ResourceId"] == GPU]

    assert "inferometer:compute" in {row["AllocatedMethodId"] for row in gpu}
    billed = sum(round(float(row["BilledCost"]) * 1e12) for row in gpu)
    assert billed == account(bench).bill


@pytest.mark.broad
@settings(
    max_examples=6,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    st.lists(st.tuples(st.sampled_from(["page", "span", "late span", "run", "wait"]), st.integers(1, 9)), max_size=8)
)
def test_whatever_an_engine_tells_shares_and_idle_time_are_the_bill(host, make, told):
    bench = host(GPU)
    bench.pipeline.rollback(0)
    worker, number = make.worker(), 10
    scraped = bench.clock.now
    for what, size in told:
        now = bench.clock.now
        number += 1
        if what == "page":
            tell(bench, scraped, now, part("qwen", size), part("lora", 1.0), method=Method.BUSY)
            scraped = now
        elif what == "run":
            begin = now - size * SECOND // 10
            bench.do_pass(worker.arrival(
                now, requests=[make.request(number, begin, now)],
                executes=[make.execute(number, begin, now, device=4)],
            ))  # fmt: skip
        elif what != "wait":
            end = now - (1 if what == "span" else 20) * SECOND
            span(bench, end - size * SECOND, end)
        passes(bench, size, step=float(size))
    bench.do_pass(seconds=200)
    bench.pipeline.closing = True
    bench.do_pass()
    gpu, (_, whole) = account(bench), asked(bench)

    assert sum(gpu.states.values()) == gpu.wall
    shared = bench.rows("select coalesce(sum(cost), 0) from engine_shares")[0][0]
    owed = bench.rows("select coalesce(sum(cost), 0) from executes")[0][0]
    used = gpu.states["attributed"] + gpu.states["system"]
    assert shared + owed + gpu.states["system"] == used  # 1 picodollar per nanosecond
    assert gpu.bill == gpu.wall
    assert whole["total"]["residual_usd"] == 0


@pytest.mark.parametrize(
    ("pages", "elsewhere", "counted"),
    [((), (), 1), ((LLM,), (), None), ((), ("llm",), None)],
    ids=["no-page", "read-here", "read-by-prometheus"],
)
def test_a_request_that_a_page_counts_is_recorded_by_its_span_and_not_counted_again(host, pages, elsewhere, counted):
    bench = host(GPU, pages=pages, read_elsewhere=elsewhere)
    now = bench.clock.now
    span(bench, now - SECOND, now)
    settle(bench)

    assert bench.value(requests.REQUESTS, "llm", "qwen", "", "", "", "", "ok", "true") == counted
    assert bench.rows("select tokens_in, tokens_out from requests") == [(512, 60)]
