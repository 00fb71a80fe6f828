"""Ray Serve for real: proxy, replicas, handles and batches, each hop in a process of its own."""

import os
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import pytest
from free_ports import free_port

from inferometer.catalog.phases import IN_ORDER, Phase
from inferometer.catalog.stages import Kind, Outcome, Stage
from inferometer.record.model import Flag
from inferometer.wire.cold_starts import cold_start

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

INSTRUMENTATION = Path(__file__).parents[2] / "instrumentation"
PROXY = "ray-serve-proxy"
COMMAND = ("{python}", "serve_ray.py", "{port}", "{folder}")


@pytest.fixture(scope="module")
def server(start):
    return start("ray", *COMMAND, "app_ray", switched_on=True, ready="everything runs")


def hops(count):
    return lambda found: len(found) >= count


def by_model(records):
    """Proxy, then the others, each by the name of its model."""
    return {("proxy" if r.labels.service == PROXY else r.labels.model): r for r in records}


def test_a_request_is_three_linked_hops_through_proxy_ingress_and_handle(server, milliseconds):
    answers = []
    records = server.recorded(
        lambda: answers.append(server.ask("/api/embed/x", {"text": "four"}, headers={"x-tenant": "acme"})), hops(3)
    )
    found = by_model(records)
    proxy, api, embedder = found["proxy"], found["Api"], found["Embedder"]

    assert (answers[0][0], answers[0][1]) == (200, b'{"size":4}')
    assert len(records) == 3
    assert {record.trace_id for record in records} == {proxy.trace_id}
    assert [record.parent_id for record in (proxy, api, embedder)] == [0, proxy.calls[0].call_id, api.calls[0].call_id]
    assert [bool(record.flags & Flag.ENTRY) for record in (proxy, api, embedder)] == [True, False, False]
    assert [record.labels.model for record in (proxy, api, embedder)] == ["Api", "Api", "Embedder"]
    assert [record.labels.service for record in (proxy, api, embedder)] == [PROXY, "api", "api"]
    assert [record.labels.route for record in (api, embedder)] == ["/embed/{name}", "Embedder.embed"]
    assert proxy.labels.route.startswith("/api")
    assert {record.labels.tenant for record in records} == {"acme"}
    assert {record.outcome for record in records} == {Outcome.OK}
    assert [record.calls[0].target for record in (proxy, api)] == ["api/Api", "api/Embedder"]
    assert proxy.calls[0].server_ns > 0
    assert milliseconds(api)[Stage.REMOTE] >= 50
    assert milliseconds(embedder)[Stage.HANDLER] >= 50
    assert milliseconds(proxy)[Stage.REMOTE] >= milliseconds(api)[Stage.REMOTE]
    assert milliseconds(api)[Stage.DESERIALIZE] > 0
    assert proxy.duration_ns > api.duration_ns > embedder.duration_ns


def test_waiting_for_a_free_place_in_a_replica_is_the_callers_queue(server, milliseconds, queued, left):
    question = ("/api/embed/x", {"text": "four"})
    records = server.recorded(lambda: server.together(*[question] * 8), hops(24))
    callers = [record for record in records if record.labels.service == "api" and record.labels.model == "Api"]
    first, *_, last = sorted(callers, key=lambda record: left(record, Kind.ENGINE))
    begun, over = (left(record, Kind.ENGINE) for record in (first, last))

    # Two at a time of 50 ms each: the last two wait for three rounds, whenever they came; who came later waits less.
    assert (over - begun) / 1e6 > 120
    assert queued(last, Kind.ENGINE) > 100 - max(last.start - begun, 0) / 1e6
    assert queued(first, Kind.ENGINE) < queued(last, Kind.ENGINE)
    assert all(milliseconds(record)[Stage.QUEUE] >= queued(record, Kind.ENGINE) * 0.9 for record in callers)


def test_a_deployment_without_a_router_has_its_prefix_for_a_route(server):
    proxy, replica = sorted(
        server.recorded(lambda: server.ask("/plain", b"abc"), hops(2)), key=lambda record: -record.duration_ns
    )

    assert (replica.labels.service, replica.labels.model, replica.labels.version) == ("plain", "Plain", "7")
    assert (replica.labels.route, replica.labels.method) == ("/plain", "POST")
    assert (replica.status, replica.bytes_in, replica.bytes_out) == (200, 3, 10)
    assert proxy.labels.model == "Plain"


def test_a_synchronous_method_executes_in_its_thread(server, milliseconds):
    embedder = by_model(server.recorded(lambda: server.ask("/api/slow", {"text": "abc"}), hops(3)))["Embedder"]

    assert embedder.labels.route == "Embedder.slow"
    assert milliseconds(embedder)[Stage.EXECUTE] >= 100
    assert len(embedder.executes) == 1


def test_a_stream_is_a_stream_at_every_hop(server, milliseconds):
    answers = []
    found = by_model(server.recorded(lambda: answers.append(server.ask("/api/parts", {"text": "abcdef"})), hops(3)))

    assert answers[0][1] == b"abcdef"
    assert [found[hop].chunks for hop in ("proxy", "Api", "Embedder")] == [6, 6, 6]
    for record in found.values():
        assert record.flags & Flag.STREAM
        assert record.first_chunk_ns < record.duration_ns - 40e6


@pytest.mark.parametrize(
    ("question", "status", "outcomes"),
    [
        (("/api/broken", {"text": "x"}), 500, {"proxy": 3, "Api": 3, "Embedder": 3}),
        (("/plain", b"bug"), 500, {"proxy": 3, "Plain": 3}),
        (("/api/missing",), 404, {"proxy": 2, "Api": 2}),
        (("/api/embed/x", {"no": "text"}), 500, {"proxy": 3, "Api": 3}),
        (("/nowhere",), 404, {"proxy": 2}),
    ],
    ids=["raised behind a handle", "raised", "HTTPException", "raised before the call", "no such route"],
)
def test_an_error_is_answered_as_ever_and_is_one_at_every_hop(server, question, status, outcomes):
    answers = []
    records = server.recorded(lambda: answers.append(server.ask(*question)), hops(len(outcomes)))

    assert answers[0][0] == status
    assert {hop: int(record.outcome) for hop, record in by_model(records).items()} == outcomes


def test_a_client_that_leaves_has_cancelled_at_every_hop(server):
    found = by_model(server.recorded(lambda: server.leave("/api/forever"), hops(2)))

    assert {hop: record.outcome for hop, record in found.items()} == {
        "proxy": Outcome.CANCELLED,
        "Api": Outcome.CANCELLED,
    }
    assert found["Api"].duration_ns < 5e9


def test_members_of_a_batch_wait_and_share_one_execute(server, milliseconds, queued):
    before = len(server.batches())
    texts = [f"{number:03}".encode() for number in range(4)]
    records = server.recorded(lambda: server.together(*[("/batched", text) for text in texts]), hops(8))
    members = [record for record in records if record.labels.service == "batched"]
    runs = [record.executes for record in members]
    server.collector.until(lambda: sum(batch.size for batch in server.batches()[before:]) == 4)
    batches = server.batches()[before:]

    assert {batch.reason for batch in batches} <= {"full", "timeout"}
    assert all((batch.reason == "full") == (batch.size == 4) for batch in batches)
    assert {(batch.capacity, batch.labels.service, batch.labels.model) for batch in batches} == {
        (4, "batched", "Batched")
    }
    assert all(len(of_one) == 1 for of_one in runs)
    for batch in batches:
        shared = [of_one[0] for of_one in runs if of_one[0].batch_id == batch.batch_id]
        assert len(shared) == batch.size
        assert {(run.execute_id, run.batch_size, run.start, run.end) for run in shared} == {
            (shared[0].execute_id, batch.size, shared[0].start, shared[0].end)
        }
    assert all(milliseconds(record)[Stage.EXECUTE] >= 30 for record in members)


def test_a_batch_of_one_waited_for_company_in_vain(server, milliseconds, queued):
    before = len(server.batches())
    records = server.recorded(lambda: server.ask("/batched", b"alone"), hops(2))
    server.collector.until(lambda: len(server.batches()) > before)
    (batch,) = server.batches()[before:]
    member = by_model(records)["Batched"]

    assert (batch.size, batch.reason, batch.waiting) == (1, "timeout", 0)
    assert queued(member, Kind.BATCH_WAIT) >= 95
    assert milliseconds(member)[Stage.QUEUE] >= 95
    assert batch.start - batch.opened >= 95e6


def test_members_of_a_failed_batch_have_failed(server):
    answers = []
    questions = [("/batched", b"bad"), ("/batched", b"good")]
    records = server.recorded(lambda: answers.extend(server.together(*questions)), hops(4))
    members = [record for record in records if record.labels.service == "batched"]

    assert sorted(record.outcome is Outcome.SERVER_ERROR for record in members) == sorted(
        answer[0] == 500 for answer in answers
    )
    assert any(record.outcome is Outcome.SERVER_ERROR for record in members)


def test_members_that_wait_are_the_queues_depth(server):
    def depths():
        return [frame.gauges["queue_depth"].get("Batched", 0) for frame in list(server.collector.frames)]

    before = len(depths())
    server.recorded(lambda: server.together(*[("/batched", b"text")] * 24), hops(48))
    server.collector.until(lambda: depths()[-1] == 0)

    assert max(depths()[before:]) > 0


def test_an_instrumented_caller_is_the_parent_and_learns_the_proxys_time(server):
    headers = {
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "tracestate": "inferometer=1",
    }
    answers = []
    records = server.recorded(lambda: answers.append(server.ask("/plain", b"abc", headers=headers)), hops(2))
    found = by_model(records)
    timings = [value for name, value in answers[0][2].items() if name.lower() == "server-timing"]

    assert {f"{record.trace_id:032x}" for record in records} == {"0af7651916cd43dd8448eb211c80319c"}
    assert f"{found['proxy'].parent_id:016x}" == "b7ad6b7169203331"
    assert not found["proxy"].flags & Flag.ENTRY
    assert len(timings) == 1
    assert timings[0].startswith("inferometer;dur=")


def test_a_stranger_learns_nothing(server):
    assert "server-timing" not in {name.lower() for name in server.ask("/plain", b"abc")[2]}


def test_every_hook_works_and_nothing_of_rays_own_is_recorded(server):
    time.sleep(0.5)  # frames of idle processes
    statuses = server.hooks()
    hooks = [name for name in statuses if name.startswith("ray.serve")]

    assert len(hooks) == 6
    assert all("active" in statuses[hook] and statuses[hook] <= {"active", "waiting"} for hook in hooks)
    assert not any(frame.gauges["hook_errors"] or frame.gauges["drops"] for frame in server.collector.frames)
    assert {record.labels.service for record in server.collector.records} <= {PROXY, "api", "plain", "batched"}


def test_a_replica_is_ready_when_its_deployment_is_made(server):
    server.ask("/plain", b"abc")
    frames, names_of = server.collector.frames, server.collector.names_of

    def told():
        replicas = {hello.worker_id for hello in server.collector.hellos if hello.service != PROXY}
        found = [cold_start(frame, names_of(frame.worker_id)) for frame in list(frames)]
        return [start for start in found if start is not None and start.worker_id in replicas]

    server.collector.until(lambda: bool(told()))
    starts = told()

    for start in starts:
        runs = [run for run in start.phases if run.phase in IN_ORDER]
        assert Phase.STARTUP in {run.phase for run in runs}
        assert sum(run.end - run.start for run in runs) == start.end - start.start
        assert start.ready_ns > 0
    assert len({start.worker_id for start in starts}) == len(starts)


@pytest.fixture(scope="module")
def second(start):
    """Without the variable: only what the driver's line does."""
    return start("ray", *COMMAND, "app_ray_second", ready="everything runs")


def test_the_examples_replica_records_by_the_import_line_alone(second):
    answers = []
    (record,) = second.recorded(lambda: answers.append(second.ask("/", b"how many words")), hops(1))

    assert answers[0][:2] == (200, b'{"words":3}')
    assert (record.labels.model, record.outcome) == ("Counter", Outcome.OK)
    assert record.flags & Flag.ENTRY
    assert record.executes[0].kind is Kind.BATCH


def test_a_defect_in_hooks_costs_no_request(second):
    answers = [second.ask("/defective", b"four") for _ in range(3)]
    second.collector.until(lambda: len(second.hook_errors()) == 2)

    assert {answer[:2] for answer in answers} == {(200, b'{"size":4}')}
    assert second.hook_errors() == {"ray.serve.batching": 1, "ray.serve.replica": 1}


def test_a_program_switches_on_the_ray_that_it_starts(environment):
    code = "import os, inferometer.auto; from ray import serve; print(os.environ.get('INFEROMETER_ENABLED'))"
    shown = [
        subprocess.run(
            [environment("ray"), "-c", code], check=True, capture_output=True, text=True,
            env={"PYTHONPATH": str(INSTRUMENTATION), "PATH": os.environ["PATH"], **given},
        ).stdout.strip()
        for given in ({}, {"INFEROMETER_ENABLED": "0"})
    ]  # fmt: skip

    assert shown == ["1", "0"]


@pytest.fixture(scope="module")
def direct(start):
    """A server whose replica listens itself; the port is the first of its range."""
    first = free_port()
    made = start(
        "ray", *COMMAND, "app_ray_direct", switched_on=True, ready="everything runs",
        RAY_SERVE_ENABLE_DIRECT_INGRESS="1", RAY_SERVE_DIRECT_INGRESS_MIN_HTTP_PORT=str(first),
        RAY_SERVE_DIRECT_INGRESS_MAX_HTTP_PORT=str(first + 1), RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S="0",
    )  # fmt: skip
    return replace(made, port=first)


def test_a_replica_that_takes_requests_in_itself_is_the_one_hop(direct, milliseconds, queued):
    record = direct.record(lambda: direct.ask("/direct/embed/v7", {"text": "four"}, headers={"x-tenant": "acme"}))
    (first, second) = direct.recorded(
        lambda: direct.together(*[("/direct/embed/v7", {"text": "four"})] * 2), lambda found: len(found) == 2
    )

    assert (record.labels.service, record.labels.model, record.labels.version) == ("direct", "Direct", "v7")
    assert (record.labels.route, record.labels.tenant) == ("/embed/{name}", "acme")
    assert (record.outcome, record.status, bool(record.flags & Flag.ENTRY)) == (Outcome.OK, 200, True)
    assert milliseconds(record)[Stage.HANDLER] >= 190
    assert milliseconds(record)[Stage.DESERIALIZE] > 0
    assert max(queued(first, Kind.ENGINE), queued(second, Kind.ENGINE)) >= 150


def test_what_such_a_replica_refuses_is_rejected(direct):
    records = direct.recorded(
        lambda: direct.together(*[("/direct/embed/v7", {"text": "four"})] * 6), lambda found: len(found) == 6
    )
    refused = [record for record in records if record.outcome is Outcome.REJECTED]

    assert refused
    assert {(record.status, record.labels.model) for record in refused} == {(503, "Direct")}
    assert {record.outcome for record in records} == {Outcome.REJECTED, Outcome.OK}
