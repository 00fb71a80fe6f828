"""Every HTTP client: what goes out with a call, and where the time of a call went. Real clients, real sockets."""

import asyncio
import http.server
import queue
import socket
import threading
import time
from contextlib import asynccontextmanager, contextmanager, suppress

import aiohttp
import aiohttp.client
import httpx
import pytest
import requests
import urllib3
import urllib3.connectionpool
from requests.adapters import HTTPAdapter

from inferometer.catalog.stages import Kind, Outcome, Stage
from inferometer.hooks import aiohttp as aiohttp_hook
from inferometer.hooks import httpx as httpx_hook
from inferometer.hooks import urllib3 as urllib3_hook
from inferometer.hooks.patching import UnsupportedError
from inferometer.record.model import Flag
from inferometer.record.partition import partition
from inferometer.recorder import propagation
from inferometer.recorder.asgi import recording
from inferometer.recorder.frames import FrameMaker
from inferometer.wire.frame import decode
from inferometer.wire.records import records

TRACE = f"00-{'ab' * 16}-{'cd' * 8}-01"
MS = 1_000_000


class Async:
    """httpx, asynchronous."""

    hook = "httpx"
    timeouts = (httpx.TimeoutException,)
    refused = httpx.ConnectError

    def __init__(self, limit):
        self.client = httpx.AsyncClient(limits=httpx.Limits(max_connections=limit), follow_redirects=True)

    async def get(self, url, headers=None, seconds=5.0):
        answer = await self.client.get(url, headers=headers, timeout=seconds)
        return answer.status_code, answer.content

    async def read(self, url, seconds):
        async with self.client.stream("GET", url) as answer:
            async for _ in answer.aiter_raw():
                await asyncio.sleep(seconds)

    async def send(self, url, parts):
        async def body():
            for part in parts:
                yield part

        return (await self.client.post(url, content=body())).content

    async def close(self):
        await self.client.aclose()


class InThread:
    """A synchronous client, in a thread."""

    async def get(self, url, headers=None, seconds=5.0):
        return await asyncio.to_thread(self._get, url, headers, seconds)

    async def read(self, url, seconds):
        await asyncio.to_thread(self._read, url, seconds)

    async def send(self, url, parts):
        return await asyncio.to_thread(self._send, url, parts)

    async def close(self):
        self.client.close()


class Sync(InThread):
    """httpx, synchronous."""

    hook = "httpx"
    timeouts = (httpx.TimeoutException,)
    refused = httpx.ConnectError

    def __init__(self, limit):
        self.client = httpx.Client(limits=httpx.Limits(max_connections=limit), follow_redirects=True)

    def _get(self, url, headers, seconds):
        answer = self.client.get(url, headers=headers, timeout=seconds)
        return answer.status_code, answer.content

    def _read(self, url, seconds):
        with self.client.stream("GET", url) as answer:
            for _ in answer.iter_raw():
                time.sleep(seconds)

    def _send(self, url, parts):
        return self.client.post(url, content=iter(parts)).content


class Requests(InThread):
    """requests, through urllib3."""

    hook = "urllib3"
    timeouts = (requests.Timeout,)
    refused = requests.ConnectionError

    def __init__(self, limit):
        self.client = requests.Session()
        self.client.mount("http://", HTTPAdapter(pool_maxsize=limit, pool_block=True))

    def _get(self, url, headers, seconds):
        answer = self.client.get(url, headers=headers, timeout=seconds)
        return answer.status_code, answer.content

    def _read(self, url, seconds):
        with self.client.get(url, stream=True) as answer:
            for _ in answer.iter_content(None):
                time.sleep(seconds)

    def _send(self, url, parts):
        return self.client.post(url, data=iter(parts)).content


class Urllib3(InThread):
    """urllib3 itself."""

    hook = "urllib3"
    timeouts = (urllib3.exceptions.HTTPError,)
    refused = urllib3.exceptions.HTTPError

    def __init__(self, limit):
        self.client = urllib3.PoolManager(maxsize=limit, block=True, retries=urllib3.Retry(3, connect=0, read=0))

    def _get(self, url, headers, seconds):
        answer = self.client.request("GET", url, headers=headers, timeout=urllib3.Timeout(seconds))
        return answer.status, answer.data

    def _read(self, url, seconds):
        with self.client.request("GET", url, preload_content=False) as answer:
            for _ in answer.stream(None):
                time.sleep(seconds)

    def _send(self, url, parts):
        return self.client.request("POST", url, body=iter(parts), chunked=True).data

    async def close(self):
        self.client.clear()


class Aiohttp:
    """aiohttp."""

    hook = "aiohttp"
    timeouts = (TimeoutError,)
    refused = aiohttp.ClientConnectionError

    def __init__(self, limit):
        self.client = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=limit))

    async def get(self, url, headers=None, seconds=5.0):
        async with self.client.get(url, headers=headers, timeout=aiohttp.ClientTimeout(total=seconds)) as answer:
            return answer.status, await answer.read()

    async def read(self, url, seconds):
        async with self.client.get(url) as answer:
            async for _ in answer.content.iter_any():
                await asyncio.sleep(seconds)

    async def send(self, url, parts):
        async def body():
            for part in parts:
                yield part

        async with self.client.post(url, data=body()) as answer:
            return await answer.read()

    async def close(self):
        await self.client.close()


CLIENTS = [Async, Sync, Requests, Urllib3, Aiohttp]


@pytest.fixture(params=CLIENTS, ids=[client.__doc__.rstrip(".") for client in CLIENTS])
def client(request):
    return request.param


@pytest.fixture
def worker(hooked):
    httpx_hook.install(hooked, httpx, "httpx")
    urllib3_hook.install(hooked, urllib3.connectionpool, "urllib3")
    aiohttp_hook.install(hooked, aiohttp.client, "aiohttp")
    return hooked


@asynccontextmanager
async def opened(client, limit=10):
    made = client(limit)
    try:
        yield made
    finally:
        await made.close()


def within(worker, act, headers=()):
    """The record of a request inside which the coroutine function *act* ran."""

    async def app(scope, receive, send):
        await act()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def nothing(_=None):
        return {"type": "http.request"}

    recorded = recording(worker, lambda _, *rest: app(*rest))
    asyncio.run(recorded(None, {"type": "http", "method": "GET", "path": "/", "headers": headers}, nothing, nothing))
    (record,) = records(decode(FrameMaker(worker).make()[1]), worker.shapes.all())
    return record


def times(record):
    """ms by stage and kind."""
    assert sum(partition(record).totals) == record.duration_ns
    found = {}
    for segment in partition(record).segments:
        key = (segment.stage, segment.kind)
        found[key] = found.get(key, 0) + segment.duration_ns / MS
    return found


POOL = (Stage.QUEUE, Kind.POOL)
TRANSIT = (Stage.NETWORK, Kind.TRANSIT)
REMOTE = (Stage.REMOTE, Kind.INFERENCE)


class Origin:
    """A server that answers by a script, one function per request, and keeps what it was asked."""

    def __init__(self):
        self.script = queue.Queue()
        self.asked = []
        self.lines = []
        self.came = threading.Event()
        origin = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_one(self):
                origin.asked.append(dict(self.headers.items()))
                origin.lines.append(self.headers)
                origin.came.set()
                origin.script.get(timeout=5)(self)

            do_GET = do_POST = handle_one  # noqa: N815 - as http.server names them

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/"

    def wait(self):
        """Until somebody asks."""
        assert self.came.wait(5)

    def answers(self, *functions):
        for function in functions:
            self.script.put(function)
        return self.url

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


def says(status=200, body=b"x", seconds=0.0, **headers):
    def answer(handler):
        time.sleep(seconds)
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("content-length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return answer


@pytest.fixture
def origin():
    made = Origin()
    yield made
    made.close()


def carry(source, target, seconds):
    with suppress(OSError):
        while data := source.recv(65536):
            time.sleep(seconds)
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


@contextmanager
def delayed(port, seconds):
    """The port of a line to *port* that takes *seconds* in each direction."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        with suppress(OSError):
            while True:
                near, _ = listener.accept()
                far = socket.create_connection(("127.0.0.1", port))
                ends.extend((near, far))
                for pair in ((near, far), (far, near)):
                    threads.append(threading.Thread(target=carry, args=(*pair, seconds), daemon=True))
                    threads[-1].start()

    ends, threads = [], [threading.Thread(target=serve, daemon=True)]
    threads[0].start()
    yield listener.getsockname()[1]
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    for end in ends:
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
    for thread in threads:
        thread.join(5)
    for end in ends:
        end.close()


@pytest.fixture(scope="module")
def callee(serve):
    """An instrumented service: some 30 ms of its own."""
    return serve("-m", "uvicorn", "app_servers:app", "--port", "{port}", "--log-level", "critical")


def test_two_hops_add_up(worker, client, callee):
    async def act():
        async with opened(client) as made:
            status, _ = await made.get(f"http://127.0.0.1:{callee.port}/slow")
            assert status == 200

    taken = []
    (theirs,) = callee.recorded(lambda: taken.append(within(worker, act, [(b"traceparent", TRACE.encode())])))
    (call,) = taken[0].calls
    found = times(taken[0])

    assert (theirs.trace_id, theirs.parent_id) == (taken[0].trace_id, call.call_id)
    assert not theirs.flags & Flag.ENTRY
    assert (call.target, call.method, call.status) == (f"127.0.0.1:{callee.port}", "GET", 200)
    assert 295 * MS <= call.server_ns <= theirs.duration_ns
    assert call.sent <= call.headers <= call.end
    assert found[REMOTE] == pytest.approx((call.server_ns + call.end - call.headers) / MS)
    assert abs(found[REMOTE] + found.get(TRANSIT, 0) - (call.end - call.sent) / MS) < 0.01


def test_a_slow_line_is_the_networks(worker, client, callee):
    async def act():
        with delayed(callee.port, 0.06) as port:
            async with opened(client) as made:
                await made.get(f"http://127.0.0.1:{port}/slow")

    record = within(worker, act)
    (call,) = record.calls
    found = times(record)

    assert found[TRANSIT] >= 118
    assert found[TRANSIT] == pytest.approx((call.headers - call.sent - call.server_ns) / MS)
    assert found[REMOTE] == pytest.approx((call.server_ns + call.end - call.headers) / MS)
    assert found.get(POOL, 0) < 50


def test_a_pool_of_one_connection_is_a_queue_and_only_that(worker, client, callee):
    async def act():
        async with opened(client, 1) as made:
            url = f"http://127.0.0.1:{callee.port}/slow"
            await made.get(url)
            await asyncio.gather(*(made.get(url) for _ in range(2)))

    record = within(worker, act)
    first, *pair = sorted(record.calls, key=lambda call: call.end)

    assert [(call.status, call.attempt) for call in record.calls] == [(200, 1)] * 3
    waited = sum(call.sent - call.start for call in pair)
    # On a busy host the second of them may begin later: it waits so much less.
    later = abs(pair[0].start - pair[1].start)
    assert waited + later >= 290 * MS
    assert max(first.sent - first.start, *(call.headers - call.sent - call.server_ns for call in pair)) < waited / 2
    assert times(record)[POOL] >= 250 - later / MS


def test_a_callee_that_says_nothing_is_remote_as_a_whole(worker, client, origin):
    async def act():
        async with opened(client) as made:
            await made.get(origin.answers(says(seconds=0.05)))

    found = times(within(worker, act))

    assert found[REMOTE] >= 50
    assert TRANSIT not in found


@pytest.mark.parametrize(
    "timing",
    ["inferometer;dur=1e400", "inferometer;dur=-5", "inferometer;dur=" + "9" * 4000, "inferometer", "a,,;;=,\tb;dur=1"],
    ids=["an exponent", "below 0", "digits", "no time", "rubbish"],
)
def test_a_hostile_time_is_no_time(worker, client, origin, timing):
    async def act():
        async with opened(client) as made:
            await made.get(origin.answers(says(server_timing=timing)))

    assert within(worker, act).calls[0].server_ns == 0


def test_a_callee_that_claims_more_time_than_there_was_leaves_none_to_the_network(worker, client, origin):
    async def act():
        async with opened(client) as made:
            await made.get(origin.answers(says(server_timing="db;dur=1, inferometer;dur=3600000.5")))

    record = within(worker, act)

    assert record.calls[0].server_ns == 3_600_000_500_000
    assert TRANSIT not in times(record)


def test_headers_of_the_call_go_along_and_ours_are_added(worker, client, origin):
    incoming = [(b"traceparent", TRACE.encode()), (b"tracestate", b"them=1"), (b"baggage", b"user=7")]

    given = {"x-mine": "1"}

    async def act():
        async with opened(client) as made:
            await made.get(origin.answers(says()), given)

    record = within(worker, act, incoming)
    sent = {name.lower(): value for name, value in origin.asked[0].items()}

    assert given == {"x-mine": "1"}
    assert sent["traceparent"] == f"00-{'ab' * 16}-{record.calls[0].call_id:016x}-01"
    assert sent["tracestate"] == "inferometer=1,them=1"
    assert (sent["baggage"], sent["x-mine"]) == ("user=7", "1")


def test_what_somebody_else_put_there_stays(worker, client, origin):
    theirs = f"00-{'12' * 16}-{'34' * 8}-01"

    async def act():
        async with opened(client) as made:
            given = {"Traceparent": theirs, "Tracestate": "x=2", "Baggage": "mine=1"}
            await made.get(origin.answers(says(), says()), given)
            await made.get(origin.url, given)

    record = within(worker, act, [(b"baggage", b"user=7")])

    for asked in origin.asked:
        sent = {name.lower(): value for name, value in asked.items()}
        assert (sent["traceparent"], sent["baggage"]) == (theirs, "mine=1")
        assert sent["tracestate"] == "inferometer=1,x=2"
    # Two attempts cannot have one id: the second has one of its own.
    assert record.calls[0].call_id == int("34" * 8, 16) != record.calls[1].call_id


def test_headers_of_the_request_that_are_only_passed_on_are_replaced(worker, client, origin):
    incoming = {"traceparent": TRACE, "tracestate": "inferometer=1,them=1", "baggage": "user=7"}

    async def act():
        async with opened(client) as made:
            await made.get(origin.answers(says()), dict(incoming))

    record = within(worker, act, [(name.encode(), value.encode()) for name, value in incoming.items()])
    sent = {name.lower(): value for name, value in origin.asked[0].items()}

    assert sent == {**sent, **incoming, "traceparent": f"00-{'ab' * 16}-{record.calls[0].call_id:016x}-01"}
    assert record.calls[0].call_id != int("cd" * 8, 16)
    assert not record.calls[0].foreign


def test_outside_a_request_nothing_is_added(worker, client, origin):
    async def act():
        async with opened(client) as made:
            assert await made.get(origin.answers(says())) == (200, b"x")

    asyncio.run(act())

    assert not {"traceparent", "tracestate"} & {name.lower() for name in origin.asked[0]}


def test_a_redirect_is_another_attempt_with_an_id_of_its_own(worker, client, origin):
    async def act():
        async with opened(client) as made:
            assert await made.get(origin.answers(says(302, location="/b"), says(body=b"there"))) == (200, b"there")

    record = within(worker, act)
    parents = [next(v for k, v in asked.items() if k.lower() == "traceparent")[36:52] for asked in origin.asked]

    assert [call.status for call in record.calls] == [302, 200]
    assert [f"{call.call_id:016x}" for call in record.calls] == parents
    assert len(set(parents)) == 2
    assert all(call.end for call in record.calls)


@pytest.mark.parametrize("library", [Requests, Urllib3], ids=["requests", "urllib3"])
def test_retries_of_the_library_are_attempts(worker, library, origin):
    retry = urllib3.Retry(3, status_forcelist=[503], backoff_factor=0)

    async def act():
        async with opened(library) as made:
            if library is Requests:
                made.client.mount("http://", HTTPAdapter(max_retries=retry))
            else:
                made.client = urllib3.PoolManager(retries=retry)
            assert await made.get(origin.answers(says(503), says(503), says())) == (200, b"x")

    record = within(worker, act)

    assert [(call.attempt, call.status) for call in record.calls] == [(1, 503), (2, 503), (3, 200)]
    assert len({call.call_id for call in record.calls}) == 3


def test_a_header_that_is_given_twice_is_sent_twice(worker, origin):
    given = urllib3.HTTPHeaderDict([("x-mine", "1"), ("x-mine", "2")])

    async def act():
        async with opened(Urllib3) as made:
            await made.get(origin.answers(says()), given)

    within(worker, act)

    assert origin.lines[0].get_all("x-mine") == ["1", "2"]
    assert "traceparent" in origin.lines[0]
    assert list(given) == ["x-mine"]


def test_headers_of_a_caller_of_the_pool_stay_the_callers(worker, origin):
    given = {"x-mine": "1"}

    async def act():
        # As urllib3 does it for a tunnel: there it makes no copy.
        with urllib3.connection_from_url(origin.answers(says())) as pool:
            connection = pool._get_conn()
            pool._make_request(connection, "GET", "/", headers=given)
            connection.close()

    within(worker, act)

    assert given == {"x-mine": "1"}
    assert "traceparent" in origin.lines[0]


def test_a_request_that_is_sent_again_has_another_id(worker, origin):
    async def act():
        async with httpx.AsyncClient() as made:
            request = made.build_request("GET", origin.answers(says(), says()))
            for _ in range(2):
                await made.send(request)

    record = within(worker, act)
    parents = [asked["traceparent"][36:52] for asked in origin.asked]

    assert [f"{call.call_id:016x}" for call in record.calls] == parents
    assert len(set(parents)) == 2


def test_a_response_that_somebody_makes_after_a_failed_attempt_is_not_its_answer(worker):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/"

        async def act():
            pools = urllib3.PoolManager(retries=False)
            with pytest.raises(urllib3.exceptions.HTTPError):
                pools.request("GET", url)
            assert urllib3.HTTPResponse(b"mocked", status=200).data == b"mocked"

        (call,) = within(worker, act).calls

    assert (call.status, call.headers) == (0, 0)


@pytest.mark.parametrize("library", [Async, Sync], ids=["asynchronous", "synchronous"])
def test_connections_that_the_transport_tries_again_are_attempts(worker, library):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]

        async def act():
            async with opened(library) as made:
                kind = httpx.AsyncHTTPTransport if library is Async else httpx.HTTPTransport
                made.client._mounts[httpx._utils.URLPattern("http://")] = kind(retries=1)
                with pytest.raises(httpx.ConnectError):
                    await made.get(f"http://127.0.0.1:{port}/")

        record = within(worker, act)

    assert sorted((call.attempt, call.status) for call in record.calls) == [(1, 0), (2, 0)]
    first, second = sorted(record.calls, key=lambda call: call.start)
    assert first.end <= second.start


def test_an_attempt_that_times_out_is_told_and_the_error_is_theirs(worker, client, origin):
    async def act():
        async with opened(client) as made:
            with pytest.raises(client.timeouts):
                await made.get(origin.answers(says(seconds=3)), seconds=0.15)

    (call,) = within(worker, act).calls

    assert (call.status, call.outcome) == (0, Outcome.TIMEOUT)
    assert 0.14e9 < call.end - call.start < 2.9e9


def test_nobody_listens(worker, client):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]

        async def act():
            async with opened(client) as made:
                with pytest.raises(client.refused):
                    await made.get(f"http://127.0.0.1:{port}/")

        record = within(worker, act)

    (call,) = record.calls

    assert (call.status, call.attempt, call.outcome) == (0, 1, Outcome.SERVER_ERROR)
    assert call.start <= call.sent < call.end


@pytest.mark.parametrize("library", [Async, Aiohttp], ids=["httpx", "aiohttp"])
def test_of_two_hedged_attempts_the_one_that_is_cancelled_shows(worker, library, origin):
    async def act():
        async with opened(library) as made:
            origin.answers(says(seconds=3), says(seconds=0.05))
            slow = asyncio.create_task(made.get(origin.url))
            await asyncio.to_thread(origin.wait)
            fast = asyncio.create_task(made.get(origin.url))
            done, _ = await asyncio.wait((slow, fast), return_when=asyncio.FIRST_COMPLETED)
            assert done == {fast}
            slow.cancel()
            with pytest.raises(asyncio.CancelledError):
                await slow

    slow, fast = within(worker, act).calls

    assert (slow.status, fast.status) == (0, 200)
    assert (slow.outcome, fast.outcome) == (Outcome.CANCELLED, None)
    assert slow.start < fast.start < fast.end <= slow.end < slow.start + 2900 * MS


def test_one_who_never_gets_a_connection_waited_in_the_pool(worker, client, origin):
    async def act():
        async with opened(client, 1) as made:
            held = asyncio.create_task(made.get(origin.answers(says(seconds=0.4))))
            await asyncio.to_thread(origin.wait)
            with pytest.raises((httpx.PoolTimeout, urllib3.exceptions.EmptyPoolError, TimeoutError)):
                await waits(made, origin.url)
            await held

    record = within(worker, act)
    held, waiting = record.calls

    assert (held.status, waiting.status) == (200, 0)
    assert waiting.outcome is Outcome.TIMEOUT
    assert waiting.sent == waiting.end
    assert waiting.end - waiting.start >= 90 * MS


async def waits(made, url):
    """Ask for a connection, for a tenth of a second."""
    if isinstance(made, Urllib3 | Requests):
        pools = (made.client if isinstance(made, Urllib3) else made.client.get_adapter(url).poolmanager).pools
        await asyncio.to_thread(pools[next(iter(pools.keys()))].urlopen, "GET", "/", pool_timeout=0.1, retries=False)
    elif isinstance(made, Aiohttp):
        await made.client.get(url, timeout=aiohttp.ClientTimeout(total=5, connect=0.1))
    else:
        await made.get(url, seconds=httpx.Timeout(5, pool=0.1))


def test_an_answer_ends_with_its_body(worker, client, origin):
    def slowly(handler):
        handler.send_response(200)
        handler.send_header("content-length", "3")
        handler.end_headers()
        for part in (b"a", b"b", b"c"):
            handler.wfile.write(part)
            handler.wfile.flush()
            time.sleep(0.05)

    async def act():
        async with opened(client) as made:
            await made.read(origin.answers(slowly), 0.0)

    (call,) = within(worker, act).calls

    assert call.status == 200
    assert call.end - call.headers >= 80 * MS


def test_a_body_that_is_sent_in_parts_arrives(worker, client, origin):
    def echo(handler):
        body = b""
        while size := int(handler.rfile.readline(), 16):
            body += handler.rfile.read(size)
            handler.rfile.readline()
        handler.rfile.readline()
        says(body=body)(handler)

    async def act():
        async with opened(client) as made:
            assert await made.send(origin.answers(echo), [b"a" * 1000, b"b" * 1000]) == b"a" * 1000 + b"b" * 1000

    (call,) = within(worker, act).calls

    assert (call.method, call.status) == ("POST", 200)


def test_a_failure_of_ours_leaves_the_call_alone_and_takes_the_hook_out(worker, client, origin, monkeypatch, caplog):
    monkeypatch.setattr(propagation, "attempt", lambda *_: 1 / 0)

    async def act():
        async with opened(client) as made:
            assert await made.get(origin.answers(says(), says())) == (200, b"x")
            assert await made.get(origin.url) == (200, b"x")

    record = within(worker, act)

    assert record.calls == ()
    assert worker.hooks.errors() == {client.hook: 1}
    assert worker.hooks.statuses()[client.hook] == "failed"
    assert "ZeroDivisionError" in caplog.text


@pytest.mark.parametrize(
    ("hook", "names"),
    [
        (urllib3_hook, {"HTTPConnectionPool": type("HTTPConnectionPool", (), {})}),
        (aiohttp_hook, {name: type(name, (), {}) for name in ("BaseConnector", "ClientRequest", "ClientResponse")}),
    ],
    ids=["urllib3", "aiohttp"],
)
def test_another_version_is_unsupported_and_untouched(hooked, hook, names):
    other = type(httpx)("other")
    vars(other).update(names)

    with pytest.raises(UnsupportedError, match="has no"):
        hook.install(hooked, other, "other")


def test_a_users_own_tracing_of_aiohttp_hears_what_it_heard_before(worker, origin):
    heard = []
    config = aiohttp.TraceConfig()

    async def created(session, context, parameters):
        heard.append("created")

    async def ended(session, context, parameters):
        heard.append("ended")

    config.on_connection_create_end.append(created)
    config.on_request_end.append(ended)

    async def act():
        async with aiohttp.ClientSession(trace_configs=[config]) as session, session.get(origin.answers(says())):
            pass

    record = within(worker, act)

    assert heard == ["created", "ended"]
    assert record.calls[0].status == 200
