"""Each kind of queue, made long alone: that kind grows, the others do not."""

import http.client
import socket
import time
from contextlib import contextmanager
from urllib.request import urlopen

import pytest
from free_ports import free_port
from prometheus_client.parser import text_string_to_metric_families

from inferometer.catalog import requests, telemetry
from inferometer.catalog.stages import Kind, Stage
from inferometer.record.model import Moment
from inferometer.record.partition import partition

UVICORN = ("-m", "uvicorn", "app_queues:app", "--port", "{port}", "--log-level", "critical")
GUNICORN = ("-m", "gunicorn", "app_queues:app", "--bind", "127.0.0.1:{port}", "--log-level", "critical", "-k")
SERVERS = {
    "h11": (*UVICORN, "--loop", "asyncio", "--http", "h11"),
    "httptools": (*UVICORN, "--loop", "asyncio", "--http", "httptools"),
    "h11, uvloop": (*UVICORN, "--loop", "uvloop", "--http", "h11"),
    "httptools, uvloop": (*UVICORN, "--loop", "uvloop", "--http", "httptools"),
    "gunicorn": (*GUNICORN, "uvicorn_worker.UvicornWorker"),
}
MS = 10**6
LONG = 200 * MS
HELD_SECONDS = 0.3
"""How long what waits is made to wait, from when it was sent."""


@pytest.fixture(scope="module", params=SERVERS.values(), ids=SERVERS)
def server(serve, request):
    return answering(serve(*request.param, THREADS="1"))


@pytest.fixture(scope="module")
def one_server(serve):
    return answering(serve(*SERVERS["httptools"], THREADS="1"))


def answering(server):
    """The server, when it answers: gunicorn listens long before its worker does."""
    with urlopen(f"http://127.0.0.1:{server.port}/inside", timeout=60) as answer:
        assert answer.read() == b"0"
    return server


def queues(record):
    """Kind of queue -> ns."""
    found: dict[Kind, int] = {}
    for segment in partition(record).segments:
        if segment.stage is Stage.QUEUE:
            found[segment.kind] = found.get(segment.kind, 0) + segment.duration_ns
    return found


def assert_only(record, kind):
    waits = queues(record)

    assert {of for of, ns in waits.items() if ns > LONG} == {kind}, waits
    assert sum(waits.values()) - waits[kind] < LONG / 2
    assert abs(partition(record).total(Stage.QUEUE) - sum(waits.values())) == 0
    assert sum(partition(record).totals) == record.duration_ns


def alive(server):
    """A connection that has been used already."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.request("GET", "/inside")
    connection.getresponse().read()
    return connection


@contextmanager
def asked(server, path, connection=None):
    """A request that is sent, and read at the end."""
    connection = connection or http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.request("GET", path)
    yield connection
    assert connection.getresponse().read() is not None
    connection.close()


@pytest.fixture
def over(tmp_path):
    """A file to make when what another request needs is to be free."""
    return tmp_path / "over"


@contextmanager
def blocked(server, over):
    """The event loop does nothing inside, until *over* is there."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.request("GET", f"/block?until={over}")
    answer = connection.getresponse()
    assert answer.read(1) == b"x"
    yield
    answer.read()
    connection.close()


def of_route(records, route):
    return next(record for record in records if record.labels.route == route)


def wait_inside(server):
    deadline = time.monotonic() + 10
    while True:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
        connection.request("GET", "/inside")
        inside = int(connection.getresponse().read())
        connection.close()
        if inside:
            return
        assert time.monotonic() < deadline


def recorded(server, route, act):
    """The record of a request to *route* that *act* makes, whatever else is asked."""
    before = len(server.collector.records)
    act()
    server.collector.until(lambda: any(one.labels.route == route for one in server.collector.records[before:]))
    return of_route(server.collector.records[before:], route)


@pytest.mark.parametrize("used", [False, True], ids=["new connection", "connection kept alive"])
def test_a_request_that_waits_in_the_kernel(server, used, over):
    connection = alive(server) if used else http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    sent = []

    def act():
        with blocked(server, over):
            sent.append(time.monotonic_ns())
            connection.request("GET", "/fast")
            time.sleep(HELD_SECONDS)
            over.touch()
            assert connection.getresponse().status == 200
        connection.close()

    record = recorded(server, "/fast", act)

    assert_only(record, Kind.KERNEL)
    # It is not said to have waited before it was sent.
    assert sent[0] <= record.stamps[Moment.ARRIVAL]


def test_a_request_whose_task_waits_for_the_event_loop(server, over):
    first, second = alive(server), alive(server)

    def act():
        # Both are there when the loop looks again: both heads are parsed, then the first one's task blocks.
        with blocked(server, over), asked(server, "/hog", first), asked(server, "/fast", second):
            over.touch()

    assert_only(recorded(server, "/fast", act), Kind.EVENT_LOOP)


def test_a_request_that_waits_for_a_thread(server, over):
    assert_only(behind(server, f"/thread?until={over}", "/quick-thread", over), Kind.THREADPOOL)


@pytest.mark.parametrize("path", ["/quick-dependency", "/quick-resource", "/quick-work"])
def test_whatever_of_a_request_needs_a_thread_waits_for_it_and_does_nothing_else(one_server, path, over):
    record = behind(one_server, f"/thread?until={over}", path, over)

    assert_only(record, Kind.THREADPOOL)
    assert partition(record).total(Stage.DESERIALIZE) < LONG / 2
    assert partition(record).total(Stage.HANDLER) < LONG / 2


def behind(server, first, path, over, query=""):
    """The record of a request that finds what it needs in use by a *first* one, until *over* is there."""

    def act():
        with asked(server, first):
            wait_inside(server)
            with asked(server, path + query):
                time.sleep(HELD_SECONDS)
                over.touch()

    return recorded(server, path, act)


def test_a_request_whose_call_waits_for_a_connection(one_server, over):
    port = one_server.port
    record = behind(one_server, f"/call?port={port}&until={over}", "/quick-call", over, query=f"?port={port}")

    assert_only(record, Kind.POOL)


def test_a_request_that_waits_for_its_batch(one_server):
    assert_only(one_server.record("/batch"), Kind.BATCH_WAIT)


def test_a_request_that_waits_nowhere(server):
    for _ in range(20):
        waits = queues(recorded(server, "/fast", lambda: server.ask("/fast")))
        if sum(waits.values()) < LONG / 10:
            return

    raise AssertionError(f"it always waits somewhere: {waits}")


def test_of_requests_in_one_segment_the_second_waits_for_the_first_and_not_in_the_kernel(server):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.connect()
    head = b"GET %s HTTP/1.1\r\nhost: x\r\n%s\r\n"

    def act():
        connection.sock.sendall(head % (b"/sleep/0.3", b"") + head % (b"/fast", b"connection: close\r\n"))
        while connection.sock.recv(65536):
            pass
        connection.close()

    record = recorded(server, "/fast", act)

    assert queues(record).get(Kind.KERNEL, 0) < LONG / 2


def test_a_request_over_a_unix_socket_has_no_arrival(serve, tmp_path):
    path = str(tmp_path / "http.sock")
    server = serve(*UVICORN, "--uds", path, unix=path)

    def act():
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(path)
            sock.sendall(b"GET /fast HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
            while sock.recv(65536):
                pass

    record = recorded(server, "/fast", act)

    assert (record.stamps[Moment.ARRIVAL], record.status) == (0, 200)
    assert record.stamps[Moment.START]
    assert server.collector.frames[-1].gauges["hook_errors"] == {}
    assert server.collector.frames[-1].gauges["accept_queues"] == []


def test_connections_that_nobody_accepts_are_in_the_frames(server, over):
    with blocked(server, over):
        waiting = [http.client.HTTPConnection("127.0.0.1", server.port, timeout=10) for _ in range(5)]
        for connection in waiting:
            connection.connect()
        server.collector.until(lambda: server.collector.frames[-1].gauges["accept_queues"] == [5])
        over.touch()
    for connection in waiting:
        connection.close()

    server.collector.until(lambda: server.collector.frames[-1].gauges["accept_queues"] == [0])


def test_threads_and_who_waits_for_them_are_in_the_frames(server, over):
    with asked(server, f"/thread?until={over}"), asked(server, "/quick-thread"), asked(server, "/quick-thread"):
        server.collector.until(lambda: server.collector.frames[-1].gauges["threads"] == [1, 1, 2])
        over.touch()

    server.collector.until(lambda: server.collector.frames[-1].gauges["threads"] == [1, 0, 0])


def test_without_a_sidecar_a_proxys_wait_and_the_queues_are_on_the_page(serve, tmp_path):
    page = free_port()
    server = serve(
        *UVICORN, THREADS="7", INFEROMETER_SIDECAR="", INFEROMETER_RUNTIME_DIR=str(tmp_path / "run"),
        INFEROMETER_METRICS=f"127.0.0.1:{page}",
    )  # fmt: skip
    for ahead in (-20, 60):
        server.ask("/fast", headers={"x-request-start": f"t={time.time() + ahead:.3f}"})

    def shown():
        found = {}
        try:
            with urlopen(f"http://127.0.0.1:{page}/metrics", timeout=5) as text:
                for family in text_string_to_metric_families(text.read().decode()):
                    for sample in family.samples:
                        found[sample.name] = found.get(sample.name, 0) + sample.value
        except OSError:
            return {}
        return found

    deadline = time.monotonic() + 20
    while shown().get(f"{requests.PROXY_WAIT.name}_count") != 1 or shown().get(telemetry.PROXY_SKEWS.name) != 1:
        assert time.monotonic() < deadline, shown()
        time.sleep(0.1)
    found = shown()

    assert 19.99 < found[f"{requests.PROXY_WAIT.name}_sum"] < 25
    assert found[f"{requests.REQUEST_DURATION.name}_count"] == 2
    # By a clock that is not ours: no part of any duration.
    assert found[f"{requests.REQUEST_DURATION.name}_sum"] < 19.99
    assert found[requests.THREADS.name] == 7
    assert found[requests.THREADS_BUSY.name] == found[requests.THREADS_WAITED_FOR.name] == 0
    assert found[requests.ACCEPT_QUEUE.name] == 0
