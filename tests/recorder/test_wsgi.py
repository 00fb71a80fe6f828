"""A WSGI application behaves as ever when it is recorded, whatever it and its server do."""

import gc
import io
import pickle
import sys
from wsgiref.handlers import SimpleHandler
from wsgiref.util import FileWrapper, setup_testing_defaults

import pytest
from hypothesis import given
from hypothesis import strategies as st

import inferometer
from inferometer.catalog.stages import Outcome, Stage
from inferometer.record.model import Flag, Moment
from inferometer.record.partition import partition
from inferometer.recorder import wsgi, wsgi_answer
from inferometer.recorder.request import current
from inferometer.recorder.worker import Worker
from inferometer.settings import Settings

OURS = {"HTTP_TRACEPARENT": f"00-{'ab' * 16}-{'cd' * 8}-01", "HTTP_TRACESTATE": "inferometer=1"}


class Server:
    """A server that does what it is told, and keeps what it got."""

    def __init__(self):
        self.heads = []
        self.parts = []

    def start_response(self, status, headers, exc_info=None):
        if self.heads and exc_info is None:
            raise AssertionError("twice")
        self.heads.append((status, list(headers)))
        return self.parts.append

    def serve(self, app, environ=None, *, most=None, close=True):
        returned = app(made(**(environ or {})), self.start_response)
        for part in returned:
            assert self.heads, "a part before the head"
            self.parts.append(part)
            if most is not None and len(self.parts) >= most:
                break
        if close and hasattr(returned, "close"):
            returned.close()
        return self


def made(**more):
    return {"REQUEST_METHOD": "GET", "PATH_INFO": "/", "SCRIPT_NAME": "", "wsgi.input": io.BytesIO(), **more}


@pytest.fixture
def record(bench):
    """Serve an application once, and give its record."""

    def act(app, environ=None, **how):
        server = Server()
        try:
            server.serve(bound(bench, app), environ, **how)
        finally:
            act.server = server
        return bench.records()[0]

    return act


def bound(bench, app):
    recorded = wsgi.recording(bench.worker, lambda _, environ, start_response: app(environ, start_response))
    return lambda environ, start_response: recorded(None, environ, start_response)


def answering(*parts, headers=(), status="200 OK"):
    def app(environ, start_response):
        start_response(status, list(headers))
        return list(parts)

    return app


class Answer:
    """An iterable that says when it was closed."""

    def __init__(self, parts, closed):
        self.parts = parts
        self.close = lambda: closed.append(current() is not None)

    def __iter__(self):
        return iter(self.parts)


def test_parts_are_counted_when_they_are_handed_over(record):
    found = record(answering(b"a", b"", b"bc"))

    assert (found.chunks, found.bytes_out, found.outcome, found.status) == (2, 3, Outcome.OK, 200)
    assert found.flags & Flag.STREAM
    assert found.stamps[Moment.ENTRY] <= found.stamps[Moment.RESPOND] <= found.stamps[Moment.FIRST_CHUNK]
    assert found.stamps[Moment.FIRST_CHUNK] < found.stamps[Moment.LAST] <= found.stamps[Moment.DONE]
    assert sum(partition(found).totals) == found.duration_ns


def test_a_server_that_stops_before_the_end_lost_its_client(record):
    closed = []

    def app(environ, start_response):
        start_response("200 OK", [])
        return Answer([b"a", b"b"], closed)

    assert record(app, most=1).outcome is Outcome.CANCELLED
    assert closed == [True]


def test_a_server_that_stops_at_the_stated_length_did_not(record):
    found = record(answering(b"ab", b"", headers=[("Content-Length", "2")]), most=1)

    assert (found.outcome, found.bytes_out) == (Outcome.OK, 2)


def test_an_answer_is_closed_after_the_record_is_made(bench):
    closed = []

    def app(environ, start_response):
        start_response("200 OK", [])
        return Answer([b"a"], closed)

    Server().serve(bound(bench, app))

    assert closed == [False]
    assert bench.records()[0].outcome is Outcome.OK


def test_what_closing_raises_is_the_applications(bench):
    class Broken(Answer):
        def __init__(self):
            super().__init__([b"a", b"b"], [])
            self.close = lambda: 1 / 0

    def app(environ, start_response):
        start_response("200 OK", [])
        return Broken()

    for most in (None, 1):
        with pytest.raises(ZeroDivisionError):
            Server().serve(bound(bench, app), most=most)

    assert [found.outcome for found in bench.records()] == [Outcome.OK, Outcome.CANCELLED]
    assert not bench.worker.open


def test_a_server_that_never_closes_keeps_no_request_open(bench):
    Server().serve(bound(bench, answering(b"a", b"b")), most=1, close=False)
    gc.collect()

    assert len(bench.records()) == 1
    assert not bench.worker.open


def test_an_answer_knows_its_length_if_it_did_before(bench):
    parts = bound(bench, answering(b"a", b"b"))(made(), Server().start_response)
    stream = bound(bench, lambda _, start_response: iter([start_response("200 OK", []) and b""]))

    assert len(parts) == 2
    assert not hasattr(stream(made(), Server().start_response), "__len__")


def test_the_reference_server_states_the_same_length(bench):
    def served(app):
        out = io.BytesIO()
        environ = {}
        setup_testing_defaults(environ)
        SimpleHandler(io.BytesIO(), out, io.StringIO(), environ).run(app)
        return out.getvalue()

    app = answering(b"plain", headers=[("Content-Type", "text/plain")])

    assert b"Content-Length: 5" in served(bound(bench, app))
    assert served(bound(bench, app)) == served(app)


def test_a_file_is_handed_to_the_server_in_its_own_wrapper(bench):
    closed = []

    class Source(io.BytesIO):
        def close(self):
            closed.append(True)
            super().close()

    def app(environ, start_response):
        start_response("200 OK", [("Content-Length", "4")])
        return environ["wsgi.file_wrapper"](Source(b"file"))

    server = Server()
    returned = bound(bench, app)(made(**{"wsgi.file_wrapper": FileWrapper}), server.start_response)
    assert type(returned) is FileWrapper
    assert b"".join(returned) == b"file"
    returned.close()
    (found,) = bench.records()

    assert (found.bytes_out, found.outcome, closed) == (4, Outcome.OK, [True])


def test_a_servers_own_kind_of_file_ends_when_it_is_handed_over(bench):
    class Native:
        __slots__ = ("_file", "close")

        def __init__(self, file):
            self._file = file

        def __setattr__(self, name, value):
            if name == "close":
                raise AttributeError(name)
            super().__setattr__(name, value)

    def app(environ, start_response):
        start_response("200 OK", [])
        return environ["wsgi.file_wrapper"](io.BytesIO(b"file"))

    bound(bench, app)(made(**{"wsgi.file_wrapper": Native}), Server().start_response)

    assert bench.records()[0].outcome is Outcome.OK


@pytest.mark.parametrize("environ", [{}, OURS], ids=["a stranger", "a caller of ours"])
def test_the_server_gets_the_head_once_and_before_the_first_part(bench, environ):
    def app(environ, start_response):
        start_response("200 OK", [("A", "1")])
        try:
            environ["no such key"]
        except KeyError:
            start_response("500 Error", [("B", "2")], sys.exc_info())
        yield b"sorry"

    server = Server().serve(bound(bench, app), environ)

    assert server.heads[-1][0] == "500 Error"
    assert dict(server.heads[-1][1])["B"] == "2"
    assert bench.records()[0].outcome is Outcome.SERVER_ERROR


def test_only_a_caller_of_ours_is_told_our_time(bench):
    for environ in ({}, {"HTTP_TRACEPARENT": OURS["HTTP_TRACEPARENT"]}, OURS):
        for headers in ([], [("Content-Length", "1")]):
            server = Server().serve(bound(bench, answering(b"x", headers=headers)), environ)
            told = dict(server.heads[0][1])
            assert ("Server-Timing" in told) == (environ is OURS)
            assert len(server.heads) == 1


def test_a_callers_head_without_any_part_is_sent_too(bench):
    server = Server().serve(bound(bench, answering(status="204 No Content")), OURS)

    assert [status for status, _ in server.heads] == ["204 No Content"]


@pytest.mark.parametrize("environ", [{}, OURS], ids=["a stranger", "a caller of ours"])
def test_twice_is_the_applications_error_and_the_servers_word(bench, environ):
    def app(environ, start_response):
        start_response("200 OK", [])
        start_response("200 OK", [])

    with pytest.raises(AssertionError, match="twice"):
        Server().serve(bound(bench, app), environ)
    (found,) = bench.records()

    assert found.outcome is Outcome.SERVER_ERROR
    assert bench.worker.hooks.errors() == {}


@pytest.mark.parametrize("environ", [{}, OURS], ids=["a stranger", "a caller of ours"])
def test_what_the_application_raises_passes_through(bench, environ):
    def app(environ, start_response):
        raise TimeoutError("theirs")

    with pytest.raises(TimeoutError, match="theirs"):
        Server().serve(bound(bench, app), environ)

    assert bench.records()[0].outcome is Outcome.TIMEOUT
    assert current() is None


@pytest.mark.parametrize("status", ["teapot", "", None, 200], ids=["a word", "nothing", "no text", "a number"])
def test_a_status_that_is_none_is_the_servers_to_judge(bench, status):
    server = Server().serve(bound(bench, answering(b"x", status=status)))

    assert server.heads == [(status, [])]
    assert server.parts == [b"x"]
    assert bench.records()[0].status == 0
    assert bench.worker.hooks.errors() == {}


@pytest.mark.parametrize(
    "headers", [None, 7, [1], [(None, None)], "ab"], ids=["none", "a number", "1", "Nones", "text"]
)
@pytest.mark.parametrize("environ", [{}, OURS], ids=["a stranger", "a caller of ours"])
def test_headers_that_are_none_are_the_servers_to_judge(bench, headers, environ):
    def app(environ, start_response):
        start_response("200 OK", headers)
        return [b"x"]

    got = []
    returned = bound(bench, app)(made(**environ), lambda *said: got.append(said))

    assert list(returned) == [b"x"]
    assert len(got) == 1
    assert bench.worker.hooks.errors() == {}


@given(
    st.dictionaries(
        st.sampled_from(["HTTP_TRACEPARENT", "HTTP_TRACESTATE", "HTTP_BAGGAGE", "HTTP_X_TENANT", "HTTP_X_REQUEST_START",
                         "HTTP_X_REQUEST_ID", "HTTP_B3", "CONTENT_LENGTH", "PATH_INFO", "SCRIPT_NAME"]),
        st.text() | st.none() | st.integers() | st.text("0123456789abcdef-,=;t.", max_size=60),
    )
)  # fmt: skip
def test_hostile_environments_are_harmless(environ):
    worker = Worker(Settings(service="tested", host="host-1"))
    worker.started = True
    app = wsgi.recording(worker, lambda _, environ, start_response: answering(b"x")(environ, start_response))
    returned = app(None, made(**environ), Server().start_response)

    assert list(returned) == [b"x"]
    assert worker.hooks.errors() == {}
    assert not worker.open


def test_ten_thousand_parts_are_a_few_rows(bench):
    Server().serve(bound(bench, answering(*[b"x"] * 10_000)))
    (found,) = bench.records()

    assert (found.chunks, found.bytes_out) == (10_000, 10_000)
    assert len(found.intervals) <= 256


@pytest.mark.parametrize("length", ["x", "-1", "9" * 5000, "²"], ids=["a word", "below 0", "digits", "a superscript"])
def test_a_hostile_length_is_unknown(record, length):
    assert record(answering(b"x", headers=[("Content-Length", length)])).bytes_out == 1


def test_a_body_is_read_in_every_way_and_counted(bench):
    def app(environ, start_response):
        body = environ["wsgi.input"]
        into = bytearray(2)
        read = [
            body.read(1),
            body.readline(),
            *body.readlines(3),
            bytes(into[: body.readinto(into)]),
            *body,
            body.read(),
        ]
        start_response("200 OK", [])
        assert body.tell() == 14
        return [b"".join(read)]

    data = b"a1\nb2\nc3\nd4\ne5"[:14]
    server = Server().serve(bound(bench, app), {"CONTENT_LENGTH": "14", "wsgi.input": io.BytesIO(data)})
    (found,) = bench.records()

    assert b"".join(server.parts) == data
    assert found.bytes_in == 14
    assert found.stamps[Moment.BODY_START] <= found.stamps[Moment.BODY_END]


@pytest.mark.parametrize("nothing", [None, b""])
def test_a_body_that_has_nothing_to_read_says_so(bench, nothing):
    class Silent:
        def read(self, *_):
            return nothing

        readline = readlines = readinto = read

    def app(environ, start_response):
        body = environ["wsgi.input"]
        assert [body.read(), body.readline(), body.readlines(), body.readinto(bytearray())] == [nothing] * 4
        start_response("200 OK", [])
        return []

    Server().serve(bound(bench, app), {"CONTENT_LENGTH": "5", "wsgi.input": Silent()})

    assert bench.records()[0].bytes_in == 0


def test_without_a_body_nothing_stands_in_the_way(bench):
    seen = []
    given = io.BytesIO()

    def app(environ, start_response):
        seen.append(environ["wsgi.input"])
        start_response("200 OK", [])
        return []

    Server().serve(bound(bench, app), {"wsgi.input": given, "CONTENT_LENGTH": ""})

    assert seen == [given]


def test_applications_nest_and_are_one_request(bench):
    inner = bound(bench, answering(b"x"))
    Server().serve(bound(bench, inner))
    Server().serve(bound(bench, lambda _, start_response: inner(made(), start_response)))

    assert len(bench.records()) == 2


def test_a_generator_works_in_its_requests_context(bench):
    seen = []

    def app(environ, start_response):
        start_response("200 OK", [])
        for _ in range(2):
            seen.append(current())
            with inferometer.stage("postprocess"):
                yield b"x"

    Server().serve(bound(bench, app))
    (found,) = bench.records()

    assert all(seen)
    assert partition(found).total(Stage.POSTPROCESS) > 0
    assert current() is None


def test_probes_are_left_out(bench):
    Server().serve(bound(bench, answering(b"ok")), {"PATH_INFO": "/healthz"})

    assert bench.records() == []


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
