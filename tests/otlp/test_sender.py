"""Sending: in order, again where that may help, counted where it does not."""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from inferometer.errors import RefusedError, StateError
from inferometer.otlp import Note, Sender, TraceWriter, Unit, encode_trace
from inferometer.otlp.endpoint import Endpoint
from inferometer.otlp.writer import Outcomes


@contextmanager
def sending(url: str, **options: object) -> Iterator[Sender]:
    sender = Sender(url, first_wait=0.02, **options)
    sender.start()
    try:
        yield sender
    finally:
        sender.close(seconds=0.2)


def until(what: str, holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


def collected(writer: TraceWriter, wanted: Callable[[Outcomes], bool]) -> list[Outcomes]:
    seen: list[Outcomes] = []

    def look() -> bool:
        seen.append(writer.settle())
        return wanted(seen[-1])

    until("outcome", look)
    return seen


def units(kept, count: int) -> list[Unit]:
    data, spans = encode_trace(kept())
    return [Unit(number, data, spans) for number in range(1, count + 1)]


def test_units_arrive_compressed_in_one_request_and_are_settled(endpoint, kept):
    sender = Sender(Endpoint(url=endpoint.url, headers={"x-key": "secret"}))
    for unit in units(kept, 3):
        assert sender.put(unit)
    sender.start()
    accepted: list[Unit] = []
    until("3 accepted", lambda: accepted.extend(sender.settled().accepted) or len(accepted) == 3)
    sender.close()

    assert [unit.number for unit in accepted] == [1, 2, 3]
    assert len(endpoint.requests) == 1
    assert endpoint.names.count("POST /predict") == 3
    assert endpoint.headers["x-key"] == "secret"
    assert endpoint.headers["content-type"] == "application/x-protobuf"
    assert sender.waiting == 0


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_what_may_help_is_tried_again(endpoint, kept, status):
    endpoint.statuses = [status, status]
    with sending(endpoint.url) as sender:
        sender.put(units(kept, 1)[0])
        failures, accepted = 0, 0
        deadline = time.monotonic() + 10
        while not accepted and time.monotonic() < deadline:
            settled = sender.settled()
            failures += settled.failures
            accepted += len(settled.accepted)
            time.sleep(0.01)

    assert (failures, accepted) == (2, 1)
    assert len(endpoint.requests) == 3


def test_who_does_not_listen_is_asked_less_and_less_often(endpoint, kept, monkeypatch):
    endpoint.statuses = [503] * 6
    pauses = []
    with sending(endpoint.url) as sender:
        monkeypatch.setattr(sender, "_pause", pauses.append)
        sender.put(units(kept, 1)[0])
        until("accepted", lambda: bool(sender.settled().accepted))

    # Up to a half less than twice the one before, so that workers do not march.
    for number, seconds in enumerate(pauses):
        assert 0.01 * 2**number <= seconds <= 0.02 * 2**number
    assert len(pauses) == 6


def test_it_is_asked_twice_a_minute_however_long_it_is_away(endpoint, kept, monkeypatch):
    endpoint.statuses = [503] * 20
    pauses = []
    with sending(endpoint.url) as sender:
        monkeypatch.setattr(sender, "_pause", pauses.append)
        sender.put(units(kept, 1)[0])
        until("accepted", lambda: bool(sender.settled().accepted))

    assert len(pauses) == 20
    assert all(15 <= seconds <= 30 for seconds in pauses[-8:])


@pytest.mark.parametrize("status", [400, 401, 404, 500])
def test_what_the_endpoint_refuses_is_given_up_and_said(endpoint, kept, status, caplog):
    endpoint.statuses = [status]
    with sending(endpoint.url) as sender:
        sender.put(units(kept, 1)[0])
        rejected: list[Unit] = []
        until("rejected", lambda: rejected.extend(sender.settled().rejected) or bool(rejected))

    assert len(endpoint.requests) == 1
    assert f"refused 1 traces: status {status}" in caplog.text


def test_the_endpoint_says_how_long_to_wait(endpoint, kept):
    endpoint.statuses, endpoint.retry_after = [503], "1"
    begin = time.monotonic()
    with sending(endpoint.url) as sender:
        sender.put(units(kept, 1)[0])
        until("accepted", lambda: bool(sender.settled().accepted))

    assert time.monotonic() - begin >= 1


def test_a_queue_that_is_full_says_so_and_forgets_nothing_it_took(kept):
    first, second = units(kept, 2)
    sender = Sender("http://127.0.0.1:9/v1/traces", max_bytes=len(first.data) + 1)

    assert sender.put(first)
    assert not sender.put(second)
    assert sender.waiting == 1


def test_nobody_listens_and_closing_takes_no_longer_than_it_may(kept):
    with socket.create_server(("127.0.0.1", 0)) as gone:
        url = f"http://127.0.0.1:{gone.getsockname()[1]}/v1/traces"
    sender = Sender(url, first_wait=0.01)
    sender.start()
    sender.put(units(kept, 1)[0])
    until("a failure", lambda: sender.settled().failures > 0)
    begin = time.monotonic()

    sender.close(seconds=0.3)

    assert time.monotonic() - begin < 1
    assert sender.waiting == 1


@pytest.mark.parametrize("url", ["127.0.0.1:4318", "grpc://host:4317", "http://", "/v1/traces"])
def test_an_endpoint_that_is_no_url_is_refused(url):
    with pytest.raises(RefusedError, match="an http or https URL is right"):
        Sender(url)


NOTE = Note(series="some_seconds", labels=("svc", 'm"'), value=5, trace_id=1 << 127, wall_ns=6)


def test_notes_come_back_only_when_their_trace_was_accepted(endpoint, kept):
    endpoint.statuses = [400]
    with sending(endpoint.url) as sender:
        writer = TraceWriter(sender)
        writer.write(kept(), [NOTE])
        refused = collected(writer, lambda outcome: bool(outcome.rejected))
        writer.write(kept(), [NOTE])
        accepted = collected(writer, lambda outcome: bool(outcome.spans_accepted))

    assert not [note for outcome in refused for note in outcome.notes]
    assert list(accepted[-1].notes) == [NOTE]
    assert accepted[-1].spans_accepted == encode_trace(kept())[1]
    assert writer.dump() == b""


def test_a_trace_that_finds_no_room_is_counted(kept):
    writer = TraceWriter(Sender("http://127.0.0.1:9/v1/traces", max_bytes=10))
    writer.write(kept())

    assert writer.settle().dropped == 1
    assert not writer.settle()


def test_traces_that_wait_survive_a_restart_byte_for_byte(endpoint, kept):
    first = TraceWriter(Sender("http://127.0.0.1:9/v1/traces"))
    for _ in range(3):
        first.write(kept(), [NOTE])
    sender = Sender(endpoint.url)
    second = TraceWriter(sender)
    second.load(first.dump())
    assert second.dump() == first.dump()
    second.write(kept())

    sender.start()
    notes: list[Note] = []
    until("accepted", lambda: notes.extend(second.settle().notes) or sender.waiting == 0)
    notes += second.settle().notes
    sender.close()

    assert notes == [NOTE] * 3
    assert endpoint.names.count("POST /predict") == 4


@pytest.mark.parametrize("cut", [1, 20, 200])
def test_a_state_that_was_cut_is_refused(kept, cut):
    writer = TraceWriter(Sender("http://127.0.0.1:9/v1/traces"))
    writer.write(kept(), [NOTE])
    data = writer.dump()

    with pytest.raises(StateError, match="waiting traces"):
        TraceWriter(Sender("http://127.0.0.1:9/v1/traces")).load(data[:-cut])
