"""Tokens and waits of a request, from what passes through it to its record."""

import asyncio
import itertools
import json
import threading

import pytest

import inferometer
from inferometer.aggregate import Aggregator
from inferometer.catalog import requests
from inferometer.catalog.stages import Kind, Outcome, Stage
from inferometer.fleet.thresholds import NOTHING
from inferometer.intake.local_pipeline import LocalPipeline
from inferometer.intake.pipeline import Arrival, WorkerInfo
from inferometer.otlp import Kept, Resource, encode_trace
from inferometer.record.model import Flag, Moment
from inferometer.record.partition import MAX_SEGMENTS, partition
from inferometer.recorder import tokens as token_marks
from inferometer.recorder.asgi_request import BLOCKED_NS
from inferometer.recorder.request import current
from inferometer.recorder.streamed import GAP_BOUNDS
from inferometer.recorder.waits import LIMIT, Waits
from inferometer.wire.records import records
from inferometer_exporters.ledger.account import Device
from inferometer_exporters.pipeline import SidecarPipeline
from inferometer_exporters.recorder.store import Recorder
from inferometer_exporters.source import Sampler

SSE = ((b"content-type", b"text/event-stream"),)
JSON = ((b"content-type", b"application/json"),)
ROLE = b'data: {"choices":[{"delta":{"role":"assistant","content":""}}]}\n\n'
USAGE = b'data: {"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":5,"total_tokens":14}}\n\n'
DONE = b"data: [DONE]\n\n"


def word(text="a"):
    return b'data: {"choices":[{"delta":{"content":"%s"}}]}\n\n' % text.encode()


def streaming(*parts, headers=SSE, pause=0.002, before=None, after=None):
    """An application that streams *parts*, the last of them in its last message."""

    async def app(scope, receive, send):
        await receive()
        if before is not None:
            before()
        await send({"type": "http.response.start", "status": 200, "headers": list(headers)})
        for part in parts[:-1]:
            await send({"type": "http.response.body", "body": part, "more_body": True})
            await asyncio.sleep(pause)
        if after is not None:
            after()
        await send({"type": "http.response.body", "body": parts[-1]})

    return app


async def recorded(bench, client, app, **given):
    await client(**given)(bench.wrap(app))
    (record,) = bench.records()
    return record


def gaps(record):
    return sum(count for _, count in record.gaps)


def test_a_role_a_comment_and_usage_are_no_tokens(bench, client):
    app = streaming(b": hello\n\n", ROLE, b"\n", word(), word(), word(), USAGE, DONE, pause=0.004)
    record = asyncio.run(recorded(bench, client, app))

    first = record.stamps[Moment.FIRST_TOKEN]
    assert first - record.stamps[Moment.FIRST_CHUNK] >= 10_000_000
    assert first < record.last_token < record.stamps[Moment.LAST]
    assert (record.tokens_in, record.tokens_out, gaps(record)) == (9, 5, 2)
    assert record.flags & Flag.STREAM


def test_moments_come_in_their_order(bench, client):
    record = asyncio.run(recorded(bench, client, streaming(word(), word(), word())))
    stamps = record.stamps

    assert stamps[Moment.FIRST_CHUNK] == stamps[Moment.FIRST_TOKEN] < record.last_token == stamps[Moment.LAST]


def test_a_stream_without_tokens_has_its_first_chunk_only(bench, client):
    parts = [b'data: {"probability":0.25}\n\n'] * 3
    record = asyncio.run(recorded(bench, client, streaming(*parts)))

    assert record.first_chunk_ns > 0
    assert (record.stamps[Moment.FIRST_TOKEN], record.last_token, record.gaps) == (0, 0, ())
    assert (record.tokens_in, record.tokens_out) == (0, 0)


def test_numbers_are_never_guessed_from_chunks(bench, client):
    record = asyncio.run(recorded(bench, client, streaming(word(), word(), DONE)))

    assert record.stamps[Moment.FIRST_TOKEN]
    assert (record.tokens_in, record.tokens_out, gaps(record)) == (0, 0, 1)


@pytest.mark.parametrize("padding", [0, 100_000])
def test_a_json_answer_states_its_tokens(bench, client, answer, padding):
    body = json.dumps({"text": "x" * padding, "usage": {"prompt_tokens": 9, "completion_tokens": 5}}).encode()
    record = asyncio.run(recorded(bench, client, answer(headers=JSON, parts=(body,))))

    assert (record.tokens_in, record.tokens_out) == (9, 5)
    assert (record.stamps[Moment.FIRST_TOKEN], record.last_token) == (0, 0)


def test_a_json_answer_that_a_middleware_cut_states_its_tokens(bench, client, answer):
    body = json.dumps({"usage": {"prompt_tokens": 9, "completion_tokens": 5}}).encode()
    record = asyncio.run(recorded(bench, client, answer(headers=JSON, parts=(body[:20], body[20:], b""))))

    assert (record.tokens_in, record.tokens_out) == (9, 5)


def test_an_answer_that_is_no_json_states_nothing(bench, client, answer):
    page = (b'{"prompt_tokens": 9, "completion_tokens": 5}',)
    record = asyncio.run(recorded(bench, client, answer(headers=((b"content-type", b"text/html"),), parts=page)))

    assert (record.tokens_in, record.tokens_out) == (0, 0)


def test_what_the_application_says_stands_before_what_the_answer_states(bench, client):
    app = streaming(word(), USAGE, before=lambda: inferometer.tokens(output=300))
    record = asyncio.run(recorded(bench, client, app))

    assert (record.tokens_in, record.tokens_out) == (9, 300)
    assert record.stamps[Moment.FIRST_TOKEN] == record.stamps[Moment.FIRST_CHUNK]


def test_what_the_application_says_stands_before_what_a_hook_counts(bench, client):
    def before():
        token_marks.counted(current(), tokens_in=3, tokens_out=4)
        token_marks.produced(current(), 5)
        inferometer.tokens(output=1)
        inferometer.tokens(output=7)
        token_marks.counted(current(), tokens_in=3, tokens_out=4)
        token_marks.produced(current(), 6)

    record = asyncio.run(recorded(bench, client, streaming(word(), USAGE, before=before)))

    assert (record.tokens_in, record.tokens_out) == (6, 8)
    assert record.stamps[Moment.ENTRY] < record.stamps[Moment.FIRST_TOKEN] == record.last_token


def test_what_a_hook_saw_stands_before_what_the_answer_shows(bench, client):
    def before():
        token_marks.counted(current(), tokens_in=3, tokens_out=2)
        token_marks.produced(current(), 1_000)
        token_marks.produced(current(), 3_000)

    record = asyncio.run(recorded(bench, client, streaming(word(), USAGE, before=before)))

    assert (record.tokens_in, record.tokens_out) == (3, 2)
    assert (record.stamps[Moment.FIRST_TOKEN], record.last_token) == (1_000, 3_000)
    assert [(GAP_BOUNDS[bucket - 1] < 2_000 <= GAP_BOUNDS[bucket], count) for bucket, count in record.gaps] == [
        (True, 1)
    ]


def test_tokens_that_are_said_one_by_one_have_moments_in_any_request(bench, client, answer):
    async def generate():
        inferometer.tokens(input=4)
        for _ in range(3):
            await asyncio.sleep(0.003)
            inferometer.tokens(output=1)

    record = asyncio.run(recorded(bench, client, answer(before=generate)))

    assert (record.tokens_in, record.tokens_out, gaps(record)) == (4, 3, 2)
    assert record.last_token - record.stamps[Moment.FIRST_TOKEN] >= 5_000_000
    assert not record.flags & Flag.STREAM


def test_tokens_of_a_thread_belong_to_its_request(bench, client, answer):
    async def generate():
        await asyncio.to_thread(inferometer.tokens, input=2, output=1)

    record = asyncio.run(recorded(bench, client, answer(before=generate)))

    assert (record.tokens_in, record.tokens_out) == (2, 1)


def test_a_number_of_tokens_is_no_moment(bench, client, answer):
    async def generate():
        inferometer.tokens(input=4, output=340)

    record = asyncio.run(recorded(bench, client, answer(before=generate)))

    assert (record.tokens_in, record.tokens_out, record.stamps[Moment.FIRST_TOKEN]) == (4, 340, 0)


@pytest.mark.parametrize("number", [-3, 0, 2.5, "7", None, float("nan"), 10**30], ids=repr)
def test_what_is_no_number_of_tokens_is_nothing(bench, client, answer, number):
    async def generate():
        inferometer.tokens(input=number, output=number)

    record = asyncio.run(recorded(bench, client, answer(before=generate)))

    assert record.tokens_in == record.tokens_out == (0xFFFFFFFF if number == 10**30 else 0)
    assert record.outcome is Outcome.OK


def test_outside_a_request_tokens_are_nothing():
    inferometer.tokens(input=1, output=1, chunks=True)


def test_chunks_of_text_are_tokens_where_the_application_says_so(bench, client):
    app = streaming(
        b"Hel", b"", b"lo", b"!", headers=((b"content-type", b"text/plain"),),
        before=lambda: inferometer.tokens(chunks=True),
    )  # fmt: skip
    record = asyncio.run(recorded(bench, client, app))

    assert (record.tokens_out, gaps(record), record.last_token) == (0, 2, record.stamps[Moment.LAST])


def test_a_client_that_leaves_mid_stream_leaves_the_tokens_it_had(bench, client):
    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": SSE})
        for number in range(5):
            if number == 3:
                raise asyncio.CancelledError
            await send({"type": "http.response.body", "body": word(), "more_body": True})

    async def asked():
        with pytest.raises(asyncio.CancelledError):
            await client()(bench.wrap(app))

    asyncio.run(asked())
    (record,) = bench.records()

    assert (record.outcome, gaps(record)) == (Outcome.CANCELLED, 2)
    assert record.last_token > record.stamps[Moment.FIRST_TOKEN] > 0


def test_usage_of_every_chunk_is_known_when_the_client_leaves(bench, client):
    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": SSE})
        for number in range(1, 4):
            part = b'data: {"delta":"a","usage":{"prompt_tokens":9,"completion_tokens":%d}}\n\n' % number
            await send({"type": "http.response.body", "body": part, "more_body": True})
        raise OSError("the connection is gone")

    with pytest.raises(OSError, match="gone"):
        asyncio.run(client()(bench.wrap(app)))
    (record,) = bench.records()

    assert (record.tokens_in, record.tokens_out) == (9, 3)


def test_a_token_that_could_not_be_sent_is_none(bench):
    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": SSE})
        for _ in range(3):
            await send({"type": "http.response.body", "body": word(), "more_body": True})

    sent = []

    async def send(message):
        if len(sent) == 2:
            raise OSError("the connection is gone")
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": "/", "headers": []}
    with pytest.raises(OSError, match="gone"):
        asyncio.run(bench.wrap(app)(scope, None, send))
    (record,) = bench.records()

    assert (gaps(record), record.last_token) == (0, record.stamps[Moment.FIRST_TOKEN])


@pytest.mark.parametrize("body", [bytearray(word()), memoryview(word())], ids=["bytearray", "memoryview"])
def test_a_server_may_take_other_buffers_than_bytes(bench, client, body):
    record = asyncio.run(recorded(bench, client, streaming(body, body, word())))

    assert gaps(record) == 2


def test_headers_that_are_no_headers_cost_only_the_tokens(bench, client):
    record = asyncio.run(recorded(bench, client, streaming(word(), word(), headers=[("content-type", 3)])))

    assert (record.outcome, record.chunks, record.last_token) == (Outcome.OK, 2, 0)


@pytest.mark.parametrize("status", [200, 503])
def test_headers_that_can_be_read_once_are_left_to_the_server(bench, client, status):
    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": status, "headers": iter(SSE)})
        await send({"type": "http.response.body", "body": word(), "more_body": True})
        await send({"type": "http.response.body", "body": word()})

    answered = asyncio.run(client()(bench.wrap(app)))
    (record,) = bench.records()

    assert list(answered.sent[0]["headers"]) == list(SSE)
    assert gaps(record) == 1


def test_an_error_of_ours_costs_only_the_tokens(bench, client, monkeypatch):
    def broken(*_):
        raise ZeroDivisionError

    monkeypatch.setattr("inferometer.recorder.event_stream.EventStream.feed", broken)
    record = asyncio.run(recorded(bench, client, streaming(word(), word(), word())))

    assert (record.outcome, record.chunks, record.last_token) == (Outcome.OK, 3, 0)
    assert record.stamps[Moment.LAST]


def test_an_error_of_ours_at_the_end_costs_only_the_tokens(bench, client, monkeypatch):
    def broken(*_):
        raise ZeroDivisionError

    monkeypatch.setattr("inferometer.recorder.event_stream.EventStream.settle", broken)
    record = asyncio.run(recorded(bench, client, streaming(word(), word(), word())))

    assert (record.outcome, record.chunks, record.last_token) == (Outcome.OK, 3, 0)


def test_ten_thousand_chunks_are_one_record_of_a_few_rows(bench, client):
    record = asyncio.run(recorded(bench, client, streaming(ROLE, *[word()] * 10_000, USAGE, pause=0)))

    assert (record.chunks, gaps(record)) == (10_002, 9_999)
    assert len(record.gaps) <= 300
    resource = Resource(service="tested", host="host-1", pid=1)
    kept = Kept(record=record, partition=partition(record), resource=resource, wall_offset_ns=0, reason="slow")
    assert encode_trace(kept)[1] <= 1 + MAX_SEGMENTS
    # Each time is held by its bucket to 4.4 %.
    low = sum(count * (GAP_BOUNDS[bucket - 1] if bucket else 0) for bucket, count in record.gaps)
    high = sum(count * GAP_BOUNDS[bucket] for bucket, count in record.gaps)
    assert low <= record.last_token - record.stamps[Moment.FIRST_TOKEN] <= high


def test_the_time_of_a_slow_reader_is_exact_however_often_it_stalls(bench, client):
    stalls, slow = 20, 0.003
    record = asyncio.run(
        recorded(bench, client, streaming(*[b"x"] * stalls, b"", headers=(), pause=0), send_seconds=slow)
    )
    divided = partition(record)

    assert sum(divided.totals) == record.duration_ns
    assert divided.total(Stage.NETWORK) >= stalls * slow * 1e9
    assert len(record.intervals) == stalls
    assert {segment.kind for segment in divided.segments if segment.stage is Stage.NETWORK} == {Kind.SEND}


@pytest.mark.parametrize("number", [1, LIMIT - 1, LIMIT, LIMIT + 1, 10_000])
def test_waits_are_bounded_in_number_and_exact_in_sum(number):
    waits = Waits()
    length = BLOCKED_NS + 7
    for index in range(number):
        waits.add(index * 10 * length, index * 10 * length + length + index % 5)
    intervals = list(waits.intervals())

    assert len(intervals) <= LIMIT
    assert sum(end - start for start, end in intervals) == sum(length + index % 5 for index in range(number))
    assert all(before[1] <= after[0] for before, after in itertools.pairwise(intervals))
    assert intervals[0][0] == 0


def test_two_requests_do_not_share_their_tokens(bench, client):
    ready = threading.Barrier(2)

    def ask():
        ready.wait()
        asyncio.run(client()(bench.wrap(streaming(*[word()] * 50, USAGE, pause=0.0001))))

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [(gaps(record), record.tokens_out) for record in bench.records()] == [(49, 5)] * 2


def test_a_stream_of_the_worker_is_the_same_series_in_every_intake(bench, client, tmp_path):
    asyncio.run(client(path="/chat")(bench.wrap(streaming(ROLE, *[word()] * 20, USAGE, pause=0.0005))))
    arrival = Arrival(
        WorkerInfo(worker_id=bytes(16), pid=1, service="tested", sdk_version="0", host="host-1", start_ns=0),
        bench.frame(),
        bench.names,
    )
    one, other = Aggregator(), Aggregator()
    LocalPipeline(one, NOTHING, None).absorb([arrival])
    recorder = Recorder(tmp_path / "r.duckdb")
    host = Device(name="host-1", kind="cpu", model="a CPU")
    SidecarPipeline(recorder, NOTHING, host, other, sampler=Sampler([])).absorb([arrival])
    recorder.close()
    (record,) = records(arrival.frame, bench.names)

    def shown(aggregator):
        return {
            (family.entry.name, sample.labels): (sample.count, sample.total, sample.sketch, sample.classic)
            for family in aggregator.snapshot().families
            if family.entry in (requests.INTER_TOKEN, requests.TIME_TO_FIRST_TOKEN, requests.TIME_PER_OUTPUT_TOKEN)
            for sample in family.samples
        }

    found = shown(one)
    assert found == shown(other)
    assert {name for name, _ in found} == {
        requests.INTER_TOKEN.name, requests.TIME_TO_FIRST_TOKEN.name, requests.TIME_PER_OUTPUT_TOKEN.name
    }  # fmt: skip
    (between,) = [values for (name, _), values in found.items() if name == requests.INTER_TOKEN.name]
    assert between[:2] == (19, record.last_token - record.stamps[Moment.FIRST_TOKEN])
