"""Calls through httpx carry our trace on, and every attempt is told; httpx itself behaves as ever."""

import asyncio
import http.server
import socket
import threading
import time

import h2.config
import h2.connection
import h2.events
import h2.settings
import httpx
import pytest
from calling_requests import within_a_request

from inferometer.catalog.stages import Outcome
from inferometer.hooks import asyncio_timeouts
from inferometer.hooks import httpx as hook
from inferometer.hooks.patching import UnsupportedError
from inferometer.recorder import propagation
from inferometer.recorder.asgi import recording
from inferometer.recorder.calls import MAX_CALLS


@pytest.fixture
def worker(hooked):
    hook.install(hooked, httpx, "httpx")
    return hooked


def answering(*answers):
    """A transport that gives these answers in turn, and keeps what it was asked."""
    left = list(answers)
    asked = []

    def handle(request):
        asked.append(request)
        answer = left.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    return httpx.MockTransport(handle), asked


async def within(seconds, call):
    async with asyncio.timeout(seconds):
        await call


async def wait_for(seconds, call):
    await asyncio.wait_for(call, seconds)


@pytest.mark.parametrize("stops", [within, wait_for])
def test_an_attempt_that_the_application_itself_stops_waiting_for_has_timed_out(worker, stops):
    asyncio_timeouts.install(worker, asyncio.timeouts, "asyncio.timeouts")

    async def hangs(_request):
        await asyncio.Event().wait()

    async def act():
        async with httpx.AsyncClient(transport=httpx.MockTransport(hangs)) as client:
            with pytest.raises(TimeoutError):
                await stops(0.01, client.get("http://models:8000/predict"))

    (call,) = within_a_request(worker, act).calls

    assert (call.status, call.outcome) == (0, Outcome.TIMEOUT)


def test_an_attempt_takes_our_trace_and_brings_the_callees_time(worker):
    transport, asked = answering(httpx.Response(200, headers={"server-timing": "inferometer;dur=1.5"}, content=b"x"))

    async def act():
        async with httpx.AsyncClient(transport=transport) as client:
            assert (await client.get("http://models:8000/predict")).content == b"x"

    record = within_a_request(worker, act, headers=((b"traceparent", b"00-" + b"ab" * 16 + b"-" + b"cd" * 8 + b"-01"),))
    (call,) = record.calls

    assert asked[0].headers["traceparent"] == f"00-{'ab' * 16}-{call.call_id:016x}-01"
    assert asked[0].headers["tracestate"] == "inferometer=1"
    assert (call.target, call.method, call.status, call.server_ns) == ("models:8000", "GET", 200, 1_500_000)
    assert call.start <= call.headers <= call.end


def test_a_synchronous_call_in_a_thread_is_the_requests_too(worker):
    transport, _ = answering(httpx.Response(200))

    def call():
        with httpx.Client(transport=transport) as client:
            client.get("http://models/predict")

    record = within_a_request(worker, lambda: asyncio.to_thread(call))

    assert [call.target for call in record.calls] == ["models"]


def test_retries_and_redirects_are_attempts_of_their_own(worker):
    transport, _ = answering(
        httpx.ConnectError("refused"),
        httpx.Response(503),
        httpx.Response(302, headers={"location": "http://models/b"}),
        httpx.Response(200),
    )

    async def act():
        async with httpx.AsyncClient(transport=transport, follow_redirects=True) as client:
            with pytest.raises(httpx.ConnectError, match="refused"):
                await client.get("http://models/a")
            await client.get("http://models/a")
            await client.get("http://models/a")

    record = within_a_request(worker, act)

    assert [(call.attempt, call.status) for call in record.calls] == [(1, 0), (2, 503), (3, 302), (1, 200)]
    assert all(call.end for call in record.calls)


def test_a_trace_that_somebody_else_sent_is_kept(worker):
    transport, asked = answering(httpx.Response(200))
    theirs = f"00-{'12' * 16}-{'34' * 8}-01"

    async def act():
        async with httpx.AsyncClient(transport=transport) as client:
            await client.get("http://models/", headers={"traceparent": theirs, "tracestate": "them=1"})

    record = within_a_request(worker, act)

    assert asked[0].headers["traceparent"] == theirs
    assert asked[0].headers["tracestate"] == "inferometer=1,them=1"
    assert record.calls[0].call_id == int("34" * 8, 16)


def test_outside_a_request_nothing_is_added(worker):
    transport, asked = answering(httpx.Response(200))
    with httpx.Client(transport=transport) as client:
        client.get("http://models/")

    assert "traceparent" not in asked[0].headers


def test_a_streamed_answer_ends_when_its_body_does(worker):
    begun, ending, moments = threading.Event(), [], []

    class Slow(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"a")
            # The body goes on when its beginning was read: only then is the time of the headers over for certain.
            begun.wait(30)
            time.sleep(0.05)
            ending.append(time.monotonic_ns())
            self.wfile.write(b"b")

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Slow)
    threading.Thread(target=server.serve_forever).start()
    traced = []

    async def act():
        async def theirs(event, info):
            traced.append(event)

        url = f"http://127.0.0.1:{server.server_port}/"
        async with httpx.AsyncClient() as client, client.stream("GET", url, extensions={"trace": theirs}) as answer:
            parts = answer.aiter_raw()
            assert await anext(parts) == b"a"
            moments.append(time.monotonic_ns())
            begun.set()
            assert b"".join([part async for part in parts]) == b"b"

    record = within_a_request(worker, act)
    server.shutdown()
    server.server_close()
    (call,) = record.calls

    assert call.start < call.sent < call.headers <= moments[0]
    assert call.end >= ending[0] >= moments[0] + 50_000_000
    assert "http11.receive_response_headers.started" in traced


def test_calls_beyond_what_is_kept_stay_in_the_trace(worker):
    transport, asked = answering(*(httpx.Response(200) for _ in range(MAX_CALLS + 2)))

    async def act():
        async with httpx.AsyncClient(transport=transport) as client:
            for _ in range(MAX_CALLS + 2):
                await client.get("http://models/")

    record = within_a_request(worker, act)
    sent = [request.headers["traceparent"] for request in asked]

    assert len(record.calls) == MAX_CALLS
    assert {header[3:35] for header in sent} == {f"{record.trace_id:032x}"}
    assert {int(header[36:52], 16) for header in sent[MAX_CALLS:]} == {record.span_id}


def test_a_call_after_the_end_of_its_request_is_nobodys(worker):
    transport, asked = answering(httpx.Response(200))
    late = []

    async def act():
        async def call():
            await asyncio.sleep(0.02)
            async with httpx.AsyncClient(transport=transport) as client:
                await client.get("http://models/")

        late.append(asyncio.create_task(call()))

    async def outlive(scope, receive, send):
        await act()

    async def main():
        recorded = recording(worker, lambda _, *rest: outlive(*rest))
        await recorded(None, {"type": "http", "method": "GET", "path": "/", "headers": []}, None, None)
        await late[0]

    asyncio.run(main())

    assert "traceparent" not in asked[0].headers


class Http2(threading.Thread):
    """A server that speaks HTTP/2 at once: each request is answered after a while, in the order of their coming."""

    def __init__(self, seconds, streams):
        super().__init__(daemon=True)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}/"
        self.seconds = seconds
        self.streams = streams
        self.asked = []

    def run(self):
        sock, _ = self.listener.accept()
        speaks = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding="utf-8"))
        speaks.initiate_connection()
        speaks.update_settings({h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS: self.streams})
        with sock:
            sock.sendall(speaks.data_to_send())
            while data := sock.recv(65536):
                for event in speaks.receive_data(data):
                    if isinstance(event, h2.events.RequestReceived):
                        self.asked.append(dict(event.headers))
                        time.sleep(self.seconds)
                        timing = ("server-timing", f"inferometer;dur={self.seconds * 1000}")
                        speaks.send_headers(event.stream_id, [(":status", "200"), timing])
                        speaks.send_data(event.stream_id, b"x", end_stream=True)
                        sock.sendall(speaks.data_to_send())
                sock.sendall(speaks.data_to_send())

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.join(5)
        self.listener.close()


def test_attempts_over_http2_carry_the_trace_and_bring_times(worker):
    async def act():
        async with httpx.AsyncClient(http1=False, http2=True) as client:
            await client.get(server.url)
            answers = await asyncio.gather(*(client.get(server.url) for _ in range(2)))
            assert [(answer.http_version, answer.content) for answer in answers] == [("HTTP/2", b"x")] * 2

    with Http2(0.05, 100) as server:
        record = within_a_request(worker, act)
    sent = {call.call_id for call in record.calls}

    assert {int(asked["traceparent"][36:52], 16) for asked in server.asked} == sent
    assert len(sent) == 3
    assert [call.server_ns for call in record.calls] == [50_000_000] * 3
    assert all(call.start <= call.sent < call.headers <= call.end for call in record.calls)


def test_a_stream_of_http2_that_is_not_free_is_waited_for_in_the_pool(worker):
    async def act():
        async with httpx.AsyncClient(http1=False, http2=True) as client:
            await client.get(server.url)
            await asyncio.gather(*(client.get(server.url) for _ in range(3)))

    with Http2(0.05, 1) as server:
        calls = sorted(within_a_request(worker, act).calls, key=lambda call: call.end)

    waits = [(call.sent - call.start) / 1e6 for call in calls[1:]]
    assert waits[1] >= 40
    assert waits[2] >= 90
    assert max(call.headers - call.sent - call.server_ns for call in calls[1:]) / 1e6 < sum(waits) / 2


def test_a_failure_of_ours_leaves_the_call_alone_and_takes_the_hook_out(worker, monkeypatch, caplog):
    monkeypatch.setattr(propagation, "attempt", lambda *_: 1 / 0)
    transport, asked = answering(httpx.Response(200), httpx.Response(200))

    async def act():
        async with httpx.AsyncClient(transport=transport) as client:
            assert (await client.get("http://models/")).status_code == 200

    within_a_request(worker, act)

    assert worker.hooks.statuses()["httpx"] == "failed"
    assert worker.hooks.errors() == {"httpx": 1}
    assert not hasattr(httpx.AsyncClient._send_single_request, "__wrapped__")
    assert "traceparent" not in asked[0].headers
    assert "ZeroDivisionError" in caplog.text


def test_another_httpx_is_unsupported_and_untouched(hooked):
    class Client:
        pass

    other = type(httpx)("httpx")
    other.Client = other.AsyncClient = Client
    other.__version__ = "9.9"

    with pytest.raises(UnsupportedError, match=r"httpx 9\.9 has no Client\._send_single_request"):
        hook.install(hooked, other, "httpx")
