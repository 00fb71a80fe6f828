"""What people do with FastAPI, under a real server: it works as without us, and every request is one true record."""

import json
import socket
from urllib.request import urlopen

import pytest
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, CloseConnection, Request, TextMessage

from inferometer.catalog.stages import Outcome, Stage
from inferometer.record.model import Flag, Moment
from inferometer.record.partition import partition

MS = 10**6


@pytest.fixture(scope="module")
def server(serve):
    return serve("-m", "uvicorn", "app_fastapi:app", "--port", "{port}", "--ws", "wsproto", "--log-level", "critical")


def asked(server, path):
    """(answer, its body, its record)"""
    answers = []
    (record,) = server.recorded(lambda: answers.append(server.ask(path)))
    totals = partition(record).totals
    assert sum(totals) == record.duration_ns
    assert server.collector.frames[-1].gauges["hook_errors"] == {}
    return answers[0], record, {stage: totals[stage] / MS for stage in Stage}


def said(server, path):
    """What the answer says, when its record has come."""
    bodies = []

    def act():
        with urlopen(f"http://127.0.0.1:{server.port}{path}", timeout=10) as answer:
            bodies.append(json.load(answer))

    server.recorded(act)
    return bodies[0]


def test_dependencies_of_every_kind_are_solved_before_the_endpoint(server):
    answer, record, stages = asked(server, "/depends")

    assert answer.status == 200
    assert stages[Stage.DESERIALIZE] >= 40
    assert record.labels.route == "/depends"
    # What stands after a yield runs when the answer has left, and it does run.
    happened = said(server, "/log")
    assert happened.count("closed") == happened.count("closed in a thread") == 1


def test_middleware_that_runs_the_application_in_another_task(server):
    answer, record, stages = asked(server, "/threads")

    assert (answer.status, answer.getheader("x-middleware")) == (200, "was here")
    assert record.stamps[Moment.ENDPOINT] - record.stamps[Moment.ENTRY] >= 50 * MS
    # Two threads at once are one stretch of preprocess.
    assert 30 <= stages[Stage.PREPROCESS] <= 60


def test_middleware_that_answers_itself(server):
    answer, record, _ = asked(server, "/refused")

    assert (answer.status, record.status, record.outcome) == (403, 403, Outcome.CLIENT_ERROR)
    assert record.stamps[Moment.ENDPOINT] == 0


def test_lifespan_runs_once_and_hands_on_its_state(server):
    assert said(server, "/state") == 42
    assert said(server, "/log").count("started") == 1


@pytest.mark.parametrize(
    ("path", "status", "outcome"),
    [
        ("/teapot", 418, Outcome.CLIENT_ERROR),
        ("/gone", 410, Outcome.CLIENT_ERROR),
        ("/group", 500, Outcome.SERVER_ERROR),
        ("/late-group", 500, Outcome.TIMEOUT),
        ("/nowhere", 404, Outcome.CLIENT_ERROR),
    ],
    ids=["a handler of their own", "HTTPException in a thread", "a group", "a group cancelled by time", "no route"],
)
def test_what_is_raised_is_answered_as_ever(server, path, status, outcome):
    answer, record, _ = asked(server, path)

    assert (answer.status, record.status, record.outcome) == (status, status, outcome)


def test_an_answer_that_breaks_in_the_middle_has_failed(server):
    def act():
        with socket.create_connection(("127.0.0.1", server.port)) as sock:
            sock.sendall(b"GET /broken-stream HTTP/1.1\r\nhost: x\r\n\r\n")
            while sock.recv(65536):
                pass

    (record,) = server.recorded(act)

    assert (record.status, record.outcome, record.bytes_out) == (200, Outcome.SERVER_ERROR, 5)


def test_server_sent_events_are_one_stream(server):
    answer, record, _ = asked(server, "/events")

    assert answer.status == 200
    assert record.flags & Flag.STREAM
    assert record.chunks == 3
    assert record.duration_ns >= 60 * MS


def test_background_tasks_of_both_kinds_are_outside_the_duration(server):
    answer, record, _ = asked(server, "/tasks")

    assert answer.status == 200
    assert record.duration_ns < 150 * MS
    assert record.stamps[Moment.DONE] - record.stamps[Moment.LAST] >= 200 * MS


def test_an_endpoint_that_is_a_class(server):
    answer, record, _ = asked(server, "/class/a")

    assert (answer.status, record.labels.route) == (200, "/class/{name}")
    assert record.stamps[Moment.ENDPOINT] <= record.stamps[Moment.THREAD]


def test_a_websocket_works_and_is_no_request(server):
    before = len(server.collector.records)
    heard = []
    wire = WSConnection(ConnectionType.CLIENT)
    with socket.create_connection(("127.0.0.1", server.port)) as sock:
        sock.sendall(wire.send(Request(host="x", target="/echo")))

        def event():
            while not (events := list(wire.events())):
                wire.receive_data(sock.recv(65536))
            return events

        assert isinstance(event()[0], AcceptConnection)
        for word in ("one", "two"):
            sock.sendall(wire.send(TextMessage(data=word)))
            heard += [one.data for one in event()]
        sock.sendall(wire.send(CloseConnection(code=1000)))
        assert isinstance(event()[0], CloseConnection)
    after = server.recorded(lambda: server.ask("/state"))

    assert heard == ["one", "two"]
    assert len(after) == 1
    assert len(server.collector.records) == before + 1
    server.collector.until(lambda: server.collector.frames[-1].gauges["in_flight"] == 0)
