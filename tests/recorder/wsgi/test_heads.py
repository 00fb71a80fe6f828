"""The head of an answer of a WSGI application: when the server gets it, and what is the server's to judge."""

import sys

import pytest
from wsgi_server import OURS, Server, answering, bound, made

from inferometer.catalog.stages import Outcome
from inferometer.recorder.request import current


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
