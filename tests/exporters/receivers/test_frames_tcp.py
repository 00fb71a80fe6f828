"""Frames over TCP: another kernel's clock, other versions of the protocol, and who is refused why."""

import secrets
import socket
import time

import numpy as np
import pytest

from inferometer.intake.distant_clock import TOLERANCE_NS, DistantClock
from inferometer.recorder.connection import Connection
from inferometer.wire.frame import Frame, encode
from inferometer.wire.layout import CLOCKED, REQUESTS, TABLES, Section
from inferometer.wire.message import Hello, Type, pack
from inferometer_exporters.columns.clocks import translated
from inferometer_exporters.columns.tables import DTYPES, IDS

ONE = (1).to_bytes(4, "little")
DAY = 86_400 * 10**9


@pytest.mark.parametrize("behind", [3 * DAY, -4 * 3600 * 10**9], ids=["younger kernel", "older kernel"])
def test_a_worker_of_another_kernel_is_charged_as_one_of_ours(sidecar, make, new_worker, behind):
    trace, own = secrets.randbits(63) | 1, secrets.randbits(63) | 1

    def clock():
        return time.monotonic_ns() + abs(behind) - behind

    before = sidecar.value("device_ledger_seconds_total", state="attributed")
    worker = new_worker(make.tcp(sidecar.ports["frames-tcp"]), boot="another-kernel", clock=clock, host="vm")
    assert worker.send() == 1
    begin = clock()
    make.wait(lambda: clock() > begin + 200_000_000)
    now = clock()
    ran = make.execute_row(own, begin, begin + 200_000_000)
    assert worker.send(requests=make.request_row(own, begin, now, trace=trace), executes=ran) == 2
    make.wait(lambda: worker.send() and sidecar.trace(trace))

    (hop,) = sidecar.trace(trace)["hops"]
    assert hop["duration_seconds"] == pytest.approx((now - begin) / 10**9)
    assert hop["device_seconds"] == pytest.approx(0.2, abs=0.05)
    assert sidecar.value("inferometer_late_device_seconds_total") < 0.05
    make.wait(lambda: sidecar.value("device_ledger_seconds_total", state="attributed") > before)


def test_a_worker_of_another_kernel_is_refused_on_the_unix_socket_with_the_way_out(sidecar, make, new_worker):
    worker = new_worker(make.unix(sidecar.folder / "s.sock"), boot="another-kernel")

    assert "it must come over TCP (inferometer sidecar --frames-tcp)" in worker.answer()


def test_another_major_version_is_refused_with_both_numbers(sidecar, make, new_worker):
    before = sidecar.value("inferometer_refusals_total", port="frames", reason="undecodable")
    worker = new_worker(make.tcp(sidecar.ports["frames-tcp"]), version=0x0002)

    assert worker.answer() == "a message of protocol 2.0, 1.x is right: worker and sidecar do not fit"
    make.wait(lambda: sidecar.value("inferometer_refusals_total", port="frames", reason="undecodable") == before + 1)


def test_a_worker_says_why_it_was_refused_by_a_sidecar_of_another_major(make):
    """The refusal of protocol 9.0 is read by a worker of ours."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        hello = Hello(worker_id=bytes(16), pid=1, service="s", sdk_version="0", boot_id="b", host="h", start_ns=0)
        connection = Connection(ours, hello)
        refusal = pack(Type.REFUSE, b'{"reason": "protocol 1.1, 9.x is right"}')
        theirs.sendall(refusal[:6] + (9).to_bytes(2, "little") + refusal[8:])
        with pytest.raises(Exception, match=r"refused this worker: protocol 1\.1, 9\.x is right"):
            connection.read(1.0)


def test_a_worker_of_protocol_1_0_without_its_new_fields_is_heard(sidecar, make, new_worker):
    worker = new_worker(make.tcp(sidecar.ports["frames-tcp"]), version=0x0001, monotonic_ns=0)

    assert worker.send() == 1


def test_a_worker_of_a_later_minor_is_read_as_far_as_it_is_known(sidecar, make, new_worker):
    """Another type, another section, columns that are not known, and fewer than are."""
    trace, own = secrets.randbits(63) | 1, secrets.randbits(63) | 1
    worker = new_worker(make.tcp(sidecar.ports["frames-tcp"]), version=0x7F01)
    worker.sock.sendall(pack(Type.ACK)[:4] + (99).to_bytes(2, "little") + pack(Type.ACK, b"later")[6:])
    now = time.monotonic_ns()
    row = make.request_row(own, now - 10**9, now, trace=trace)
    worker.sequence = 1
    plain = encode(
        Frame(worker_id=worker.worker_id, sequence=1, monotonic_ns=now, wall_ns=time.time_ns(), names=worker.names)
    )
    wider = (
        Section.REQUESTS.to_bytes(2, "little") + (REQUESTS.size + 8).to_bytes(2, "little") + (1).to_bytes(4, "little")
    )
    unknown = (777).to_bytes(2, "little") + (3).to_bytes(2, "little") + (2).to_bytes(4, "little") + b"abcdef"
    worker.sock.sendall(pack(Type.FRAME, plain + unknown + wider + row + b"whatever"))

    assert worker.answer() == 1
    make.wait(lambda: worker.send() and sidecar.trace(trace))
    assert sidecar.trace(trace)["hops"][0]["duration_seconds"] == pytest.approx(1.0)


def test_a_frame_with_fewer_columns_reads_the_absent_ones_as_unknown(sidecar, make, new_worker):
    trace, own = secrets.randbits(63) | 1, secrets.randbits(63) | 1
    worker = new_worker(make.tcp(sidecar.ports["frames-tcp"]))
    now = time.monotonic_ns()
    row = make.request_row(own, now - 10**9, now, trace=trace)[: REQUESTS.size - 8]
    worker.sequence = 1
    head = encode(
        Frame(worker_id=worker.worker_id, sequence=1, monotonic_ns=now, wall_ns=time.time_ns(), names=worker.names)
    )
    section = Section.REQUESTS.to_bytes(2, "little") + len(row).to_bytes(2, "little") + (1).to_bytes(4, "little")
    worker.sock.sendall(pack(Type.FRAME, head + section + row))

    assert worker.answer() == 1
    make.wait(lambda: worker.send() and sidecar.trace(trace))


def test_every_column_that_is_a_time_of_the_worker_is_moved_and_no_other():
    lengths = {"proxy_wait", "bytes_in", "bytes_out", "server_ns"}
    for table in TABLES:
        wide = {name for name, code in table.columns if code == "Q"} - IDS - lengths
        assert wide == set(CLOCKED.get(table.section, ())), table.section.name


def test_translation_moves_stamps_keeps_what_is_unknown_and_never_leaves_our_clock():
    rows = np.zeros(3, DTYPES[Section.REQUESTS])
    rows["entry"], rows["last"], rows["bytes_in"] = (100, 5_000, 0), (200, 6_000, 7), 9
    frame = Frame(
        worker_id=bytes(16), sequence=1, monotonic_ns=7_000, wall_ns=1, tables={Section.REQUESTS: rows.tobytes()}
    )
    moved = np.frombuffer(translated(frame, -1_000).tables[Section.REQUESTS], DTYPES[Section.REQUESTS])

    assert moved["entry"].tolist() == [1, 4_000, 0]
    assert moved["last"].tolist() == [1, 5_000, 1]
    assert moved["bytes_in"].tolist() == [9, 9, 9]
    assert translated(frame, -1_000).monotonic_ns == 6_000


def test_the_clock_believes_the_fastest_message_and_follows_one_that_was_suspended():
    clock = DistantClock()
    second = 10**9
    assert clock.message(0, 50_000_000) == 50_000_000
    assert clock.message(second, second + 1_000_000) == 1_000_000
    # A message that took long says nothing.
    assert clock.message(2 * second, 2 * second + 80_000_000) == 1_000_000
    # Suspended for ten seconds: from then on every message seems late, and after a while that is believed.
    shifts = [clock.message(n * second, n * second + 10 * second) for n in range(3, 70)]
    assert shifts[0] == 1_000_000
    assert shifts[-1] == 10 * second
    assert 10 * second > TOLERANCE_NS
