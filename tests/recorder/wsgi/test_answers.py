"""Parts of an answer of a WSGI application, its length and its end, whatever its server does."""

import gc
import io
from wsgiref.handlers import SimpleHandler
from wsgiref.util import FileWrapper, setup_testing_defaults

import pytest
from wsgi_server import Answer, Server, answering, bound, made

from inferometer.catalog.stages import Outcome
from inferometer.record.model import Flag, Moment
from inferometer.record.partition import partition


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


def test_ten_thousand_parts_are_a_few_rows(bench):
    Server().serve(bound(bench, answering(*[b"x"] * 10_000)))
    (found,) = bench.records()

    assert (found.chunks, found.bytes_out) == (10_000, 10_000)
    assert len(found.intervals) <= 256


@pytest.mark.parametrize("length", ["x", "-1", "9" * 5000, "²"], ids=["a word", "below 0", "digits", "a superscript"])
def test_a_hostile_length_is_unknown(record, length):
    assert record(answering(b"x", headers=[("Content-Length", length)])).bytes_out == 1
