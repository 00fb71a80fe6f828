"""What a WSGI application reads of its request, and in which context it runs."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wsgi_server import Server, answering, bound, made

import inferometer
from inferometer.catalog.stages import Stage
from inferometer.record.model import Moment
from inferometer.record.partition import partition
from inferometer.recorder import wsgi
from inferometer.recorder.request import current
from inferometer.recorder.worker import Worker
from inferometer.settings import Settings


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
