"""FastAPI and Starlette under a real uvicorn: every kind of endpoint, either parser, the line first or last."""

import collections
import http.client
import os
import signal
import time

import pytest

from inferometer.catalog.stages import Kind, Outcome, Stage
from inferometer.record.model import Flag, Moment
from inferometer.record.partition import partition

UVICORN = ("-m", "uvicorn", "app_servers:app", "--port", "{port}", "--log-level", "critical")


@pytest.fixture(
    scope="module",
    params=[("httptools", "1"), ("h11", "")],
    ids=["httptools, the line first", "h11, the line last"],
)
def server(serve, request):
    parser, first = request.param
    return serve(*UVICORN, "--http", parser, FIRST=first)


def stages(record):
    totals = partition(record).totals
    assert sum(totals) == record.duration_ns
    return {stage: totals[stage] / 1e6 for stage in Stage}


def kinds(record):
    totals = collections.Counter()
    for segment in partition(record).segments:
        totals[segment.stage, segment.kind] += segment.duration_ns / 1e6
    return totals


def test_an_endpoint_has_every_stage(server):
    record = server.record("/predict", method="POST", body=b'{"x": 1}', headers={"x-tenant": "acme"})
    moments = (Moment.START, Moment.ENTRY, Moment.BODY_START, Moment.BODY_END, Moment.VALIDATE, Moment.ENDPOINT,
               Moment.ENCODE, Moment.RESPOND, Moment.LAST)  # fmt: skip
    stamps = [record.stamps[moment] for moment in moments]

    assert all(stamps)
    assert stamps == sorted(stamps)
    labels = record.labels
    assert (labels.service, labels.model, labels.version, labels.tenant) == ("app_servers", "double", "3", "acme")
    assert (labels.method, labels.route) == ("POST", "/predict")
    assert (record.outcome, record.status, record.bytes_in, record.bytes_out) == (Outcome.OK, 200, 8, 7)
    assert stages(record)[Stage.DESERIALIZE] >= 20
    assert stages(record)[Stage.PREPROCESS] >= 10
    assert stages(record)[Stage.SERIALIZE] > 0


def test_a_synchronous_endpoint_shows_its_wait_for_a_thread(server):
    connections = [http.client.HTTPConnection("127.0.0.1", server.port) for _ in range(60)]

    def sixty_for_forty_threads():
        for connection in connections:
            connection.request("POST", "/sync/a", b'{"x": 1}', {"content-type": "application/json"})
        server.ask("/open?after=40")  # 0.2 s later: so long work forty, and so long wait twenty.
        for connection in connections:
            assert connection.getresponse().status == 200
            connection.close()

    records = [record for record in server.recorded(sixty_for_forty_threads, 61) if record.labels.method == "POST"]
    waits = sorted(kinds(record)[Stage.QUEUE, Kind.THREADPOOL] for record in records)
    work = sorted(stages(record)[Stage.HANDLER] for record in records)

    assert {record.labels.route for record in records} == {"/sync/{name}"}
    assert len(records) == 60
    assert waits[40] > 190
    assert work[20] >= 199


def test_a_stream_is_one_record_with_its_first_chunk(server):
    record = server.record("/stream")

    assert record.flags & Flag.STREAM
    assert (record.chunks, record.bytes_out) == (5, 50)
    assert 5 <= record.first_chunk_ns / 1e6 <= record.duration_ns / 1e6 - 30


def test_a_body_that_is_no_json_is_the_clients_error(server):
    broken = server.record("/predict", method="POST", body=b"{")
    wrong = server.record("/predict", method="POST", body=b'{"x": "y"}')

    assert [(record.outcome, record.status) for record in (broken, wrong)] == [(Outcome.CLIENT_ERROR, 422)] * 2
    assert broken.labels.route == wrong.labels.route == "/predict"


@pytest.mark.parametrize(
    ("path", "outcome", "status"),
    [
        ("/bug", Outcome.SERVER_ERROR, 500),
        ("/timeout", Outcome.TIMEOUT, 500),
        ("/busy", Outcome.REJECTED, 503),
        ("/nowhere", Outcome.CLIENT_ERROR, 404),
    ],
)
def test_a_failure_is_answered_as_ever_and_has_its_outcome(server, path, outcome, status):
    answers = []
    (record,) = server.recorded(lambda: answers.append(server.ask(path)))

    assert [answer.status for answer in answers] == [status]
    assert (record.outcome, record.status) == (outcome, status)


@pytest.mark.parametrize("path", ["/endless", "/slow"], ids=["in a stream", "before the answer"])
def test_a_client_that_leaves_has_cancelled(server, path):
    def leave():
        connection = http.client.HTTPConnection("127.0.0.1", server.port)
        connection.request("GET", path)
        if path == "/endless":
            connection.getresponse().read(3)
        else:
            time.sleep(0.05)
        connection.sock.close()
        connection.close()

    (record,) = server.recorded(leave)

    assert record.outcome is Outcome.CANCELLED


def test_background_tasks_are_outside_the_duration(server):
    record = server.record("/later")

    assert record.duration_ns == record.stamps[Moment.LAST] - record.start
    assert record.stamps[Moment.DONE] - record.stamps[Moment.LAST] >= 200_000_000


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/api/v1/items/7", "/api/v1/items/{item}"),
        ("/mounted/things/7", "/mounted/things/{thing}"),
        ("/star/plain/7", "/star/plain/{name}"),
        ("/star/plain-sync/7", "/star/plain-sync/{name}"),
    ],
    ids=["included router", "mounted FastAPI", "mounted Starlette", "mounted Starlette, sync"],
)
def test_a_route_is_its_whole_template(server, path, route):
    record = server.record(path)

    assert (record.status, record.labels.route, record.labels.model) == (200, route, route)
    assert record.stamps[Moment.ENDPOINT]


@pytest.mark.parametrize("path", ["/call", "/call-sync"])
def test_a_call_to_an_instrumented_service_divides_into_transit_and_callee(server, path):
    callee, caller = server.recorded(lambda: server.ask(f"{path}?port={server.port}"), 2)
    (call,) = caller.calls
    own = callee.stamps[Moment.RESPOND] - callee.start

    assert (callee.trace_id, callee.parent_id) == (caller.trace_id, call.call_id)
    assert not callee.flags & Flag.ENTRY
    assert caller.flags & Flag.ENTRY
    assert call.target == f"127.0.0.1:{server.port}"
    assert (call.method, call.status, call.attempt) == ("POST", 200, 1)
    assert call.server_ns == own
    assert call.start <= call.sent <= call.headers <= call.end
    found = kinds(caller)
    assert found[Stage.NETWORK, Kind.TRANSIT] > 0
    assert stages(caller)[Stage.REMOTE] == pytest.approx((own + call.end - call.headers) / 1e6, abs=0.01)


def test_every_hook_works(server):
    server.record("/predict", method="POST", body=b'{"x": 1}')
    gauges = server.collector.frames[-1].gauges
    used = {name: status for name, status in gauges["hooks"].items() if status not in {"waiting", "off"}}

    assert set(used.values()) == {"active"}
    assert {"asgi", "fastapi", "fastapi.routing", "starlette.routing", "uvicorn", "httpx", "threads"} <= set(used)
    assert gauges["hook_errors"] == {}
    assert gauges["drops"] == {}


def test_a_terminated_server_sends_everything_first(serve):
    server = serve(*UVICORN, INFEROMETER_FLUSH_SECONDS="10")
    for _ in range(20):
        server.ask("/api/v1/items/1")
    begun = time.monotonic()
    os.kill(server.process.pid, signal.SIGTERM)
    server.process.wait(10)

    assert time.monotonic() - begun < 9, "before the next frame is due"
    assert len(server.collector.wait(20)) == 20
