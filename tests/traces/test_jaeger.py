"""What the real Jaeger has of our traces, with the configuration of Docker Compose: order, path, graph, links, disk."""

import json
import re
import signal
import time
from itertools import pairwise
from types import SimpleNamespace

import pytest
from jaeger_server import UI, Jaeger, tags
from playwright.sync_api import sync_playwright
from prometheus_server import eventually
from ui_rules import critical_path

from inferometer.catalog import spans
from inferometer.catalog.stages import Kind, Outcome, Stage
from inferometer.otlp import Kept, Outlay, Resource, Sender, TraceWriter
from inferometer.otlp.encode import encode_trace
from inferometer.otlp.endpoint import Endpoint
from inferometer.otlp.kept import DeviceState
from inferometer.record.model import Batch, Call, Execute, Flag, Interval, Labels, Moment, RequestRecord
from inferometer.record.partition import partition
from inferometer_compose import web
from inferometer_dashboards.panels import TRACE

pytestmark = [pytest.mark.peers, pytest.mark.timeout(240)]
MS = 1_000_000
CHROMIUM = "/usr/bin/chromium"
BATCH = 77
GPU = "GPU-1f0c"


def stamps(begin_ms: int, end_ms: int, **more: int) -> tuple[int, ...]:
    """A body that is read for 1 ms, an answer that is written in the last 2 ms; by moment, in ms after the begin."""
    made = [0] * len(Moment)
    made[Moment.ENTRY], made[Moment.BODY_START] = begin_ms * MS, begin_ms * MS
    made[Moment.BODY_END] = made[Moment.VALIDATE] = (begin_ms + 1) * MS
    made[Moment.ENDPOINT], made[Moment.ENCODE] = (begin_ms + 2) * MS, (end_ms - 2) * MS
    made[Moment.RESPOND], made[Moment.LAST], made[Moment.DONE] = (end_ms - 1) * MS, end_ms * MS, end_ms * MS
    for name, at in more.items():
        made[Moment[name]] = (begin_ms + at) * MS
    return tuple(made)


class Fleet:
    """A gateway whose requests are answered by an embedder; two of them share a batch on a GPU."""

    def __init__(self) -> None:
        self.offset = time.time_ns() - 200 * MS

    def hops(self, trace: int) -> list[Kept]:
        """Both hops of a request of 50 ms."""
        call = Call(
            call_id=trace * 5, start=5 * MS, sent=6 * MS, headers=44 * MS, end=45 * MS, server_ns=36 * MS,
            target="embedder:8000", method="POST", status=200,
        )  # fmt: skip
        gateway = RequestRecord(
            trace_id=trace << 64 | trace, span_id=trace * 3, stamps=stamps(0, 50), outcome=Outcome.OK, status=200,
            flags=Flag.ENTRY, calls=(call,), bytes_in=10,
            labels=Labels(service="gateway", model="search", tenant="acme", method="POST", route="/search"),
        )  # fmt: skip
        run = Execute(
            execute_id=trace, start=21 * MS, end=40 * MS, device=GPU, batch_id=BATCH, batch_size=2, kind=Kind.BATCH
        )
        queue = Interval(start=10 * MS, end=21 * MS, stage=Stage.QUEUE, kind=Kind.BATCH_WAIT)
        embedder = RequestRecord(
            trace_id=trace << 64 | trace, span_id=trace * 7, parent_id=trace * 5, executes=(run,), intervals=(queue,),
            stamps=stamps(7, 43, FIRST_CHUNK=34, FIRST_TOKEN=35), outcome=Outcome.OK, status=200, tokens_in=9,
            tokens_out=5, last_token=42 * MS, flags=Flag.STREAM,
            labels=Labels(
                service="embedder", model="minilm", version="2", tenant="stranger", method="POST",
                route="/v1/chat/completions",
            ),
        )  # fmt: skip
        batch = Batch(
            batch_id=BATCH, labels=embedder.labels, opened=10 * MS, start=21 * MS, end=40 * MS, size=2, capacity=8,
            reason="timeout",
        )  # fmt: skip
        state = DeviceState(device=GPU, utilization=0.8, throttle_reasons=("thermal",))
        outlay = Outlay(device_ns=9_500_000, cost_picodollars=8_000_000, energy_microjoules=2_000_000, state=state)
        return [
            self._kept(gateway),
            self._kept(embedder, outlay=outlay, batches={BATCH: batch}),
        ]

    def _kept(self, record: RequestRecord, **more: object) -> Kept:
        resource = Resource(service=record.labels.service, host="box", pid=1)
        return Kept(
            record=record, partition=partition(record), resource=resource, wall_offset_ns=self.offset, reason="slow",
            **more,
        )  # fmt: skip


def export(jaeger: Jaeger, kept: list[Kept]) -> None:
    endpoint = Endpoint.from_env({"OTEL_EXPORTER_OTLP_ENDPOINT": jaeger.otlp})
    assert endpoint is not None
    sender = Sender(endpoint)
    sender.start()
    writer = TraceWriter(sender)
    accepted = 0
    for one in kept:
        writer.write(one)
    deadline = time.monotonic() + 30
    while accepted < sum(encode_trace(one)[1] for one in kept):
        accepted += writer.settle().spans_accepted
        assert time.monotonic() < deadline
        time.sleep(0.02)
    sender.close()


FIRST, SECOND = 0x0123_4567_89AB_CDEF, 0x0234_5678_9ABC_DEF1


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """Two requests in Jaeger, which was ended, killed and started again since."""
    jaeger = Jaeger(tmp_path_factory.mktemp("jaeger") / "run")
    fleet = Fleet()
    try:
        export(jaeger, [*fleet.hops(FIRST), *fleet.hops(SECOND)])
        ids = [f"{trace:016x}{trace:016x}" for trace in (FIRST, SECOND)]
        eventually(lambda: all(len(jaeger.trace(one)) > 10 for one in ids))
        before = [jaeger.trace(one) for one in ids]
        for number in (signal.SIGTERM, signal.SIGKILL):
            jaeger.end(number)
            jaeger.start()
        yield SimpleNamespace(jaeger=jaeger, ids=ids, before=before, spans=[jaeger.trace(one) for one in ids])
    finally:
        jaeger.end()


def stages(found, service):
    return [
        (span["startTime"], span["startTime"] + span["duration"], span["operationName"])
        for span in sorted(found, key=lambda span: span["startTime"])
        if span["service"] == service and span["operationName"] in {spans.stage_span(stage) for stage in Stage}
    ]


def test_traces_outlive_an_end_and_a_kill_of_jaeger(stored):
    def by_id(found):
        return sorted((span["spanID"], span["startTime"], span["duration"]) for span in found)

    assert [by_id(found) for found in stored.spans] == [by_id(found) for found in stored.before]


def test_stages_stand_in_the_order_in_which_they_happened_and_do_not_touch(stored):
    ours = stages(stored.spans[0], "embedder")

    assert [name for _, _, name in ours] == [
        spans.stage_span(stage)
        for stage in (Stage.NETWORK, Stage.DESERIALIZE, Stage.HANDLER, Stage.QUEUE, Stage.EXECUTE, Stage.HANDLER,
                      Stage.SERIALIZE, Stage.HANDLER)
    ]  # fmt: skip
    assert all(left[1] < right[0] for left, right in pairwise(ours))


def test_the_critical_path_goes_through_every_stage_of_both_services(stored):
    found = stored.spans[0]
    path = critical_path(found)
    (root,) = [span for span in found if span["operationName"] == "POST /search"]
    names = {span["spanID"]: (span["service"], span["operationName"]) for span in found}
    ours = [names[span] for span, _, _ in reversed(path)]

    assert sum(end - begin for _, begin, end in path) == root["duration"]
    assert all(left[1] == right[2] for left, right in pairwise(path)), "without a gap"
    on_path = {name for name in ours if name[1].startswith("inference.")}
    assert {name for service, name in on_path if service == "embedder"} == {
        name for _, _, name in stages(found, "embedder")
    }
    own = {span: end - begin for span, begin, end in path}
    (run,) = [span for span in found if span["operationName"] == spans.stage_span(Stage.EXECUTE)]
    assert own[run["spanID"]] == run["duration"]
    # What is left to the spans that hold stages is the microsecond between two of them.
    holders = sum(end - begin for span, begin, end in path if not names[span][1].startswith("inference."))
    transit = sum(end - begin for span, begin, end in path if names[span][1] == "POST")
    assert holders - transit <= len(path)


def test_the_service_graph_has_the_call(stored):
    edges = eventually(
        lambda: stored.jaeger.ask("dependencies", endTs=int(time.time() * 1000) + 60_000, lookback=3_600_000)
    )

    assert [(edge["parent"], edge["child"], edge["callCount"]) for edge in edges] == [("gateway", "embedder", 2)]


def test_tokens_have_the_names_by_which_jaeger_knows_generative_ai(stored):
    (root,) = [span for span in stored.spans[0] if span["operationName"] == "POST /v1/chat/completions"]
    said = tags(root)

    assert said[spans.GEN_AI_OPERATION.name] == "chat"
    assert said[spans.GEN_AI_RESPONSE_MODEL.name] == "minilm"
    assert (said[spans.GEN_AI_INPUT_TOKENS.name], said[spans.GEN_AI_OUTPUT_TOKENS.name]) == (9, 5)
    assert said[spans.COST.name] == pytest.approx(8e-6)
    assert not [name for name in said if "prompt" in name or "message" in name]


def test_a_search_finds_requests_by_what_they_cost_and_why_they_were_kept(stored):
    wanted = json.dumps({spans.MODEL_NAME.name: "minilm", spans.KEEP_REASON.name: "slow"})

    found = stored.jaeger.ask("traces", service="embedder", tags=wanted, lookback="1h", limit=10)

    assert {trace["traceID"] for trace in found} == set(stored.ids)


def test_a_request_links_to_its_batch_and_the_batch_to_every_member_that_is_kept(stored):
    runs = [
        span for found in stored.spans for span in found if span["operationName"] == spans.stage_span(Stage.EXECUTE)
    ]
    links = [reference for run in runs for reference in run["references"] if reference["refType"] == "FOLLOWS_FROM"]
    (batch_id,) = {link["traceID"] for link in links}
    batch = stored.jaeger.trace(batch_id)
    back = {
        reference["traceID"]
        for span in batch
        for reference in span["references"]
        if reference["refType"] == "FOLLOWS_FROM"
    }

    assert len(links) == 2
    assert sorted(span["operationName"] for span in batch) == [spans.BATCH_SPAN] + 2 * [spans.BATCH_MEMBER_SPAN]
    assert back == set(stored.ids)
    assert critical_path(batch)


def test_metrics_of_spans_are_there_where_they_are_asked_for_and_nowhere_else(tmp_path, stored):
    sooner = {"metrics_flush_interval: 15s": "metrics_flush_interval: 200ms"}
    jaeger = Jaeger(tmp_path / "run", "config.yaml", "disk.yaml", "span-metrics-on.yaml", named=sooner)
    try:
        export(jaeger, Fleet().hops(FIRST))
        page = f"http://{jaeger.address(8889)}/metrics"
        wanted = 'traces_span_metrics_calls_total{inference_model_name="minilm"'

        assert eventually(lambda: wanted in web.fetch(page).body.decode())
    finally:
        jaeger.end()
    assert not web.answers(f"http://{stored.jaeger.address(8889)}/metrics")


@pytest.fixture(scope="module")
def evaluate(stored):
    """Runs JavaScript on the configuration that Jaeger's own page holds."""
    page_text = web.fetch(f"{stored.jaeger.url}/").body.decode()
    ours = UI.read_text()
    assert ours.strip() in page_text, "Jaeger does not serve the UI's configuration"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page()

        def run(expression: str, argument: object = None) -> object:
            return page.evaluate(f"(argument) => {{ {ours}\n const config = UIConfig(); {expression} }}", argument)

        yield run
        browser.close()


def links(evaluate, span, trace):
    """What the UI makes of the patterns for the attributes of a span."""
    start = min(one["startTime"] for one in trace)
    end = max(one["startTime"] + one["duration"] for one in trace)
    values = {**tags(span), "trace.startTime": start, "trace.endTime": end}
    script = """
      const found = {};
      for (const pattern of config.linkPatterns) {
        if (pattern.type !== "tags" || !(pattern.key in argument)) continue;
        if (!pattern.url.parameters.every((name) => name in argument)) continue;
        found[pattern.key] = pattern.url.template(argument);
      }
      return found;
    """
    return evaluate(script, values), start, end


def test_a_span_links_to_the_boards_of_its_device_model_and_tenant_at_that_minute(stored, evaluate):
    trace = stored.spans[0]
    (root,) = [span for span in trace if span["operationName"] == "POST /v1/chat/completions"]
    (run,) = [span for span in trace if span["operationName"] == spans.stage_span(Stage.EXECUTE)]
    of_root, start, end = links(evaluate, root, trace)
    of_run, _, _ = links(evaluate, run, trace)

    assert f"var-device={GPU}" in of_run[spans.DEVICE.name]
    assert "var-model=minilm" in of_root[spans.MODEL_NAME.name]
    for url in (*of_root.values(), *of_run.values()):
        begin, until = (int(re.search(rf"{name}=(\d+)", url)[1]) for name in ("from", "to"))
        assert begin == start // 1000 - 300_000
        assert until == -(-end // 1000) + 300_000


def test_a_trace_links_to_the_live_page_and_to_the_board_of_one_request(stored, evaluate):
    script = """
      const found = config.linkPatterns.filter((one) => one.type === "traces");
      return found.map((one) => typeof one.url === "string" ? one.url : one.url.template(argument));
    """
    trace = {"traceID": stored.ids[0], "startTime": 1_000_000_000_000, "endTime": 1_000_000_050_500}

    *boards, page = evaluate(script, trace)

    assert page == "http://127.0.0.1:9465/trace/#{traceID}"
    for url in boards:
        assert url.endswith(f"?var-{TRACE}={stored.ids[0]}&from=999700000&to=1000300051")
