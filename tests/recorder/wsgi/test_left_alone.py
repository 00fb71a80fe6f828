"""A WSGI application answers as ever where recording is switched off or breaks."""

import io
import pickle

import pytest
from wsgi_server import OURS, Server, answering, bound, made

import inferometer
from inferometer.recorder import wsgi, wsgi_answer
from inferometer.recorder.worker import Worker
from inferometer.settings import Settings


def test_switched_off_it_is_not_there():
    off = Worker(Settings(service="tested", host="host-1", enabled=False))
    app = wsgi.recording(off, lambda _, environ, start_response: answering(b"x")(environ, start_response))
    returned = app(None, made(), Server().start_response)

    assert returned == [b"x"]
    assert not off.open


@pytest.mark.parametrize("place", ["WsgiRequest", "Body", "answer"])
def test_a_failure_of_ours_leaves_the_answer_alone(bench, monkeypatch, caplog, place):
    app = bound(bench, answering(b"x"))
    monkeypatch.setattr(wsgi, place, lambda *_: 1 / 0)
    server = Server().serve(app, {"CONTENT_LENGTH": "1", "wsgi.input": io.BytesIO(b"x"), **OURS})

    assert server.heads[0][0] == "200 OK"
    assert server.parts == [b"x"]
    assert bench.worker.hooks.errors() == {"wsgi": 1}
    assert not bench.worker.open


def test_an_answer_that_cannot_be_looked_at_is_given_all_the_same(bench, monkeypatch):
    monkeypatch.setattr(wsgi_answer.WsgiRequest, "_stream", lambda *_: 1 / 0)
    server = Server().serve(bound(bench, answering(b"a", b"b")))

    assert server.parts == [b"a", b"b"]
    assert bench.records()[0].bytes_out == 2
    assert bench.worker.hooks.errors() == {"wsgi": 1}


def plain(environ, start_response):
    start_response("200 OK", [])
    return [b"plain"]


@pytest.fixture
def wrapped(bench, monkeypatch):
    monkeypatch.setattr(wsgi, "worker_of_this_process", lambda: bench.worker)
    return inferometer.wsgi(plain)


def test_a_wrapped_application_is_recorded_and_stays_picklable(bench, wrapped):
    Server().serve(pickle.loads(pickle.dumps(wrapped)))  # noqa: S301 - our own

    assert bench.records()[0].bytes_out == 5


def test_a_wrapped_application_whose_recording_breaks_is_served_without_it(bench, wrapped, monkeypatch):
    calls = []
    monkeypatch.setattr(wsgi, "WsgiRequest", lambda *_: calls.append(1) or 1 / 0)
    for _ in range(3):
        assert Server().serve(wrapped).parts == [b"plain"]

    assert (len(calls), bench.worker.hooks.errors()) == (1, {"wsgi": 1})
