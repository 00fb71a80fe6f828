"""Streams under a real uvicorn: when their tokens came, how many they were, and how slow the reader was."""

import http.client
import socket
import time
from contextlib import closing
from pathlib import Path

import pytest

from inferometer.catalog.stages import Kind, Outcome, Stage
from inferometer.record.model import Flag, Moment
from inferometer.record.partition import partition

EXAMPLE = Path(__file__).parents[2] / "examples" / "streaming.py"
UVICORN = ("-m", "uvicorn", "app_streams:app", "--port", "{port}", "--log-level", "critical")


@pytest.fixture(scope="module")
def server(serve):
    return serve(*UVICORN)


def gaps(record):
    return sum(count for _, count in record.gaps)


@pytest.mark.parametrize(
    ("method", "path", "tokens"),
    [
        ("POST", "/v1/chat/completions", (9, 5)),
        ("GET", "/events", (0, 0)),
        ("GET", "/pinged", (0, 0)),
        ("GET", "/wrapped/chat", (9, 5)),
    ],
)
def test_the_first_token_is_not_the_first_frame(server, method, path, tokens):
    record = server.record(path, method=method)

    assert record.first_token_ns - record.first_chunk_ns >= 50e6
    assert record.stamps[Moment.FIRST_TOKEN] <= record.last_token <= record.stamps[Moment.LAST]
    assert (gaps(record), record.tokens_in, record.tokens_out) == (2, *tokens)
    assert record.outcome is Outcome.OK
    assert sum(partition(record).totals) == record.duration_ns


def test_time_per_output_token_is_that_between_the_tokens(server):
    record = server.record("/v1/chat/completions", method="POST")

    # Three tokens were seen, ten milliseconds apart; usage says that they were five.
    assert record.time_per_output_token_ns == (record.last_token - record.stamps[Moment.FIRST_TOKEN]) // 4
    assert 5e6 <= record.time_per_output_token_ns <= record.duration_ns / 4


def test_lines_of_json_are_read_wherever_they_are_cut(server):
    record = server.record("/lines")

    assert (gaps(record), record.tokens_in, record.tokens_out) == (1, 9, 5)
    assert record.chunks > 10


def test_tokens_that_a_thread_tells_are_those_of_the_stream(server):
    record = server.record("/told")

    assert (gaps(record), record.tokens_in, record.tokens_out) == (2, 4, 3)
    assert record.last_token - record.stamps[Moment.FIRST_TOKEN] >= 15e6


@pytest.mark.parametrize("path", ["/whole", "/wrapped/whole"], ids=["in one part", "in parts of a middleware"])
def test_an_answer_that_is_no_stream_states_its_tokens(server, path):
    record = server.record(path)

    assert (record.tokens_in, record.tokens_out, record.last_token) == (9, 5, 0)
    assert not record.flags & Flag.STREAM


def test_an_exception_mid_stream_keeps_what_was_seen(server):
    def ask():
        with closing(http.client.HTTPConnection("127.0.0.1", server.port)) as connection:
            connection.request("GET", "/broken")
            with connection.getresponse() as answer, pytest.raises(http.client.IncompleteRead):
                answer.read()

    (record,) = server.recorded(ask)

    assert record.outcome is Outcome.SERVER_ERROR
    assert gaps(record) == 1


def test_a_client_that_leaves_mid_stream_keeps_what_was_seen_and_closes_the_generator(server):
    def leave():
        connection = http.client.HTTPConnection("127.0.0.1", server.port)
        connection.request("GET", "/endless")
        connection.getresponse().read(600)
        connection.sock.close()
        connection.close()

    (record,) = server.recorded(leave)

    assert record.outcome is Outcome.CANCELLED
    assert gaps(record) >= 4
    answers = []
    server.recorded(lambda: answers.append(server.ask("/closed")))
    assert [answer.headers["x-closed"] for answer in answers] == ["1"]


def test_the_time_of_a_slow_reader_is_the_networks(server):
    def ask():
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
        connection.connect()
        connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        connection.request("GET", "/heavy")
        answer = connection.getresponse()
        time.sleep(0.3)
        answer.read()
        connection.close()

    (record,) = server.recorded(ask)
    divided = partition(record)
    sending = [segment for segment in divided.segments if segment.kind is Kind.SEND]

    assert sum(divided.totals) == record.duration_ns
    assert divided.total(Stage.NETWORK) >= 0.25e9
    assert max(segment.duration_ns for segment in sending) >= 0.2e9
    assert record.last_token == 0


def test_tokens_of_the_example_are_seen(serve):
    server = serve(
        "-m",
        "uvicorn",
        "streaming:app",
        "--app-dir",
        str(EXAMPLE.parent),
        "--port",
        "{port}",
        "--log-level",
        "critical",
        "--loop",
        "asyncio",  # another loop may wake a sleeper early
    )
    # Its first request makes what every other one finds.
    server.record("/v1/chat/completions", method="POST")
    record = server.record("/v1/chat/completions", method="POST")

    assert (record.labels.model, record.labels.route) == ("chatty", "/v1/chat/completions")
    assert (record.tokens_in, record.tokens_out, gaps(record)) == (7, 6, 5)
    assert record.first_token_ns >= 0.2e9 > record.first_chunk_ns
    # The first one is stamped when it has left, which may be late.
    assert 0.015e9 <= record.time_per_output_token_ns < 0.1e9
