"""Flask and plain WSGI under real servers: the development server, gunicorn with processes and with threads."""

import collections
import contextlib
import http.client
import json
import socket
import threading
import time

import pytest

from inferometer.catalog.stages import Kind, Outcome, Stage
from inferometer.record.model import Flag, Moment
from inferometer.record.partition import partition
from inferometer.wire.gauges import Gauges

GUNICORN = ("-m", "gunicorn", "--bind", "127.0.0.1:{port}", "--log-level", "critical")
OURS = {"traceparent": f"00-{'ab' * 16}-{'cd' * 8}-01", "tracestate": "inferometer=1"}


@pytest.fixture(
    scope="module",
    params=[
        (("-m", "flask", "--app", "app_flask", "run", "--port", "{port}"), ""),
        ((*GUNICORN, "app_flask:app"), ""),
        ((*GUNICORN, "-k", "gthread", "--threads", "4", "app_flask:app"), "1"),
    ],
    ids=["development server", "gunicorn sync", "gunicorn gthread, the line last"],
)
def server(serve, request):
    command, last = request.param
    return serve(*command, LAST=last)


@pytest.fixture(scope="module")
def plain(serve):
    return serve(*GUNICORN, "app_flask:wrapped")


def stages(record):
    totals = partition(record).totals
    assert sum(totals) == record.duration_ns
    return {stage: totals[stage] / 1e6 for stage in Stage}


def test_an_endpoint_has_its_stages(server):
    body = json.dumps({"numbers": list(range(20_000))})
    record = server.record("/predict/sums", method="POST", body=body, headers={"x-tenant": "acme"})
    found = stages(record)

    assert (record.labels.method, record.labels.route) == ("POST", "/predict/<name>")
    assert (record.labels.model, record.labels.tenant) == ("sums", "acme")
    assert record.labels.service == "app_flask"
    assert (record.outcome, record.status, record.bytes_in) == (Outcome.OK, 200, len(body))
    assert record.bytes_out > 100_000
    assert found[Stage.EXECUTE] >= 30
    assert all(found[stage] > 0 for stage in (Stage.NETWORK, Stage.DESERIALIZE, Stage.SERIALIZE, Stage.HANDLER))
    assert not record.flags & Flag.STREAM


def test_a_slow_body_is_the_networks(server):
    def act():
        with socket.create_connection(("127.0.0.1", server.port)) as sock:
            sock.sendall(b"POST /upload HTTP/1.1\r\nhost: x\r\ncontent-length: 6\r\nconnection: close\r\n\r\nabc")
            time.sleep(0.2)
            sock.sendall(b"def")
            while sock.recv(4096):
                pass

    (record,) = server.recorded(act)
    network = [segment for segment in partition(record).segments if segment.stage is Stage.NETWORK]

    assert (record.status, record.bytes_in) == (200, 6)
    assert stages(record)[Stage.NETWORK] >= 150
    assert network[0].kind is Kind.READ
    assert stages(record)[Stage.DESERIALIZE] < 100


def test_a_form_that_is_parsed_is_decoded(server):
    body = "text=" + "%41" * 30_000
    record = server.record(
        "/form", method="POST", body=body, headers={"content-type": "application/x-www-form-urlencoded"}
    )

    assert record.status == 200
    assert record.bytes_in == len(body)
    assert stages(record)[Stage.DESERIALIZE] > 0


def test_a_stream_belongs_to_its_request_from_the_first_part_to_the_last(server):
    record = server.record("/stream")
    found = stages(record)

    assert record.flags & Flag.STREAM
    assert (record.chunks, record.bytes_out, record.outcome) == (5, 50, Outcome.OK)
    assert record.first_chunk_ns is not None
    assert 50 <= record.first_chunk_ns / 1e6 <= record.duration_ns / 1e6 - 45
    assert found[Stage.PREPROCESS] >= 50
    assert found[Stage.HANDLER] >= 45


def test_tokens_of_a_stream_are_told_from_its_other_events(server):
    record = server.record("/chat")

    assert record.tokens_out == 0
    assert sum(count for _, count in record.gaps) == 2
    assert record.stamps[Moment.FIRST_TOKEN] - record.stamps[Moment.FIRST_CHUNK] >= 18_000_000
    assert record.last_token - record.stamps[Moment.FIRST_TOKEN] >= 35_000_000


def test_a_slow_reader_is_the_networks(server):
    def act():
        with socket.socket() as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
            sock.connect(("127.0.0.1", server.port))
            sock.sendall(b"GET /large HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
            assert sock.recv(1)
            time.sleep(0.3)
            while sock.recv(1 << 20):
                pass

    (record,) = server.recorded(act)
    segments = partition(record).segments

    assert record.bytes_out == 8_000_000
    assert sum(s.duration_ns for s in segments if (s.stage, s.kind) == (Stage.NETWORK, Kind.SEND)) >= 200_000_000


@pytest.mark.parametrize(
    ("path", "status", "outcome"),
    [
        ("/bug", 500, Outcome.SERVER_ERROR),
        ("/timeout", 500, Outcome.TIMEOUT),
        ("/busy", 503, Outcome.REJECTED),
        ("/missing", 404, Outcome.CLIENT_ERROR),
        ("/nothing", 204, Outcome.OK),
        ("/file", 200, Outcome.OK),
    ],
)
def test_the_outcome_is_what_became_of_the_request(server, path, status, outcome):
    record = server.record(path)

    assert (record.status, record.outcome) == (status, outcome)


def test_an_answer_that_breaks_off_failed(server):
    def act():
        with socket.create_connection(("127.0.0.1", server.port)) as sock:
            sock.sendall(b"GET /broken HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
            while sock.recv(4096):
                pass

    (record,) = server.recorded(act)

    assert (record.status, record.outcome) == (200, Outcome.SERVER_ERROR)


def test_a_client_that_leaves_cancelled_its_request(server):
    def act():
        with socket.create_connection(("127.0.0.1", server.port)) as sock:
            sock.sendall(b"GET /endless HTTP/1.1\r\nhost: x\r\n\r\n")
            sock.recv(1000)

    (record,) = server.recorded(act)

    assert (record.status, record.outcome) == (200, Outcome.CANCELLED)


def test_what_runs_when_the_answer_is_closed_is_outside(server):
    record = server.record("/later")

    assert record.duration_ns < 400_000_000


def test_the_route_knows_blueprints_and_mounts(server):
    assert server.record("/v1/items/7").labels.route == "/v1/items/<int:item>"
    assert server.record("/mounted/things/x").labels.route == "/mounted/things/<thing>"


def test_a_caller_of_ours_learns_our_time_to_the_first_part(server):
    def answered(path):
        answers = []
        (record,) = server.recorded(lambda: answers.append(server.ask(path, headers=OURS)))
        return record, answers[0].getheader("server-timing")

    fast, said_fast = answered("/v1/items/7")
    slow, said_slow = answered("/stream")

    assert (fast.parent_id, fast.trace_id) == (int("cd" * 8, 16), int("ab" * 16, 16))
    assert not fast.flags & Flag.ENTRY
    assert 0 < float(said_fast.removeprefix("inferometer;dur=")) <= fast.duration_ns / 1e6
    assert 50 <= float(said_slow.removeprefix("inferometer;dur=")) <= slow.duration_ns / 1e6 - 45
    assert server.ask("/v1/items/7").getheader("server-timing") is None
    assert slow.chunks == 5


@pytest.mark.parametrize("headers", [{}, OURS], ids=["a stranger asks", "a caller of ours asks"])
def test_a_plain_application_behaves_as_ever_and_is_recorded(plain, headers):
    for path, body in (("/", b"plain"), ("/write", b"written and returned")):
        (status, read, timed), record = told(plain, path, headers)
        assert (status, read, timed) == (200, body, bool(headers))
        assert (record.labels.method, record.bytes_out) == ("GET", len(body))
    for path in ("/raises", "/twice"):
        (status, _, _), record = told(plain, path, headers)
        assert (status, record.outcome) == (500, Outcome.SERVER_ERROR)


def test_what_reads_its_body_line_by_line_and_what_mounts_flask_is_recorded(plain):
    assert plain.record("/read", method="POST", body=b"a\nb\nc").bytes_in == 5
    assert plain.record("/flask/things/x").labels.route == "/flask/things/<thing>"


@pytest.mark.parametrize(("kind", "queue"), [("sync", Kind.KERNEL), ("gthread", Kind.THREADPOOL)])
def test_a_request_waits_for_a_busy_worker_in_the_kernel_and_for_a_busy_thread_in_the_pool(
    serve, tmp_path, kind, queue
):
    server = serve(*GUNICORN, "-k", kind, "--threads", "1", "app_flask:app")
    # gunicorn listens before its worker has imported the application, which is a wait in the kernel, too.
    server.record("/v1/items/1")

    inside, over, held = tmp_path / "inside", tmp_path / "over", []

    def act():
        first = threading.Thread(target=server.ask, args=(f"/hold?inside={inside}&until={over}",))
        first.start()
        until(inside.exists)
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)) as second:
            begun = time.monotonic_ns()
            second.request("GET", "/sleep/0.3")
            time.sleep(0.3)
            over.touch()
            second.getresponse().read()
            held.append((time.monotonic_ns() - begun) / 1e6)
        first.join()

    second = next(one for one in server.recorded(act, 2) if one.labels.route == "/sleep/<float:seconds>")
    waited = collections.Counter()
    for segment in partition(second).segments:
        if segment.stage is Stage.QUEUE:
            waited[segment.kind] += segment.duration_ns / 1e6

    # A jiffy or two of what the kernel says are not believed, and whoever passes it on needs a processor for that.
    assert {of for of, ms in waited.items() if ms > 150} == {queue}
    assert 280 <= stages(second)[Stage.QUEUE] <= held[0] - 300
    assert stages(second)[Stage.HANDLER] >= 300
    assert stages(second)[Stage.NETWORK] < 100


def test_over_a_unix_socket_the_wait_for_a_thread_is_known_where_the_connection_was_used_before(serve, tmp_path):
    path = str(tmp_path / "wsgi.sock")
    command = ("-m", "gunicorn", "--bind", f"unix:{path}", "--log-level", "critical", "-k", "gthread", "--threads", "1")
    server = serve(*command, "app_flask:app", unix=path)
    head = b"GET /%s HTTP/1.1\r\nhost: x\r\n\r\n"

    def act():
        with socket.socket(socket.AF_UNIX) as used, socket.socket(socket.AF_UNIX) as other:
            for one in (used, other):
                one.connect(path)
                one.sendall(head % b"nothing")
                assert one.recv(4096)
            other.sendall(head % b"sleep/0.3")
            time.sleep(0.05)
            used.sendall(head % b"v1/items/1")
            assert other.recv(4096)
            assert used.recv(4096)

    records = server.recorded(act, 4)
    waits = {record.labels.route: stages(record)[Stage.QUEUE] for record in records}

    assert waits["/v1/items/<int:item>"] >= 100
    assert waits["/nothing"] == 0
    # Its connection was used before, too: it waited for no more than a free thread to wake.
    assert waits["/sleep/<float:seconds>"] < 50


def test_connections_that_wait_to_be_accepted_are_counted(serve):
    server = serve(*GUNICORN, "app_flask:app")
    clients = [threading.Thread(target=server.ask, args=("/sleep/0.3",)) for _ in range(4)]
    for client in clients:
        client.start()
    server.collector.until(
        lambda: any(max(Gauges.from_json(frame.gauges).accept_queues, default=0) for frame in server.collector.frames)
    )
    for client in clients:
        client.join()


@pytest.mark.parametrize("kind", ["sync", "gthread"])
def test_a_worker_that_is_terminated_sends_everything_first(serve, kind):
    server = serve(*GUNICORN, "-k", kind, "app_flask:app", INFEROMETER_FLUSH_SECONDS="10")
    for _ in range(20):
        server.ask("/v1/items/1")
    begun = time.monotonic()
    server.process.terminate()
    server.process.wait(10)

    assert time.monotonic() - begun < 9, "before the next frame is due"
    assert len(server.collector.wait(20)) == 20


def until(condition):
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def told(server, path, headers):
    """(status, body, whether it said its time) of an answer, and its record."""
    answers = []
    (record,) = server.recorded(lambda: answers.append(ask(server, path, headers)))
    return answers[0], record


def ask(server, path, headers):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    told = answer.status, answer.read(), answer.getheader("server-timing") is not None
    connection.close()
    return told
