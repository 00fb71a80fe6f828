"""Nothing is lost between threads, and what does not fit is counted exactly."""

import gc
import threading

from hypothesis import given
from hypothesis import strategies as st

from inferometer.recorder.buffers import BUFFER_FULL, Buffers
from inferometer.wire.layout import CALLS, EXECUTES, EXTERNAL_IDS, INTERVALS, REQUESTS, Section

ROW = bytes(REQUESTS.size)
counts = st.integers(0, 3)


@given(st.lists(st.tuples(counts, counts, counts), max_size=20))
def test_rows_come_out_as_they_went_in(requests):
    buffers = Buffers(1000)
    for executes, calls, intervals in requests:
        if executes or calls or intervals:
            parts = (b"e" * EXECUTES.size * executes, b"c" * CALLS.size * calls, b"i" * INTERVALS.size * intervals)
            buffers.request_with(ROW, *parts, b"", b"")
        else:
            buffers.request(ROW)
    rows = buffers.take()

    assert rows.requests == len(requests)
    assert len(rows.tables[Section.REQUESTS]) == REQUESTS.size * len(requests)
    assert rows.tables[Section.EXECUTES] == b"e" * EXECUTES.size * sum(n for n, _, _ in requests)
    assert rows.tables[Section.CALLS] == b"c" * CALLS.size * sum(n for _, n, _ in requests)
    assert rows.tables[Section.INTERVALS] == b"i" * INTERVALS.size * sum(n for _, _, n in requests)
    assert buffers.take().requests == 0


def test_requests_with_a_name_of_their_callers_come_with_it_and_are_bounded_alike():
    buffers = Buffers(2)
    for letter in b"abc":
        buffers.request_named(bytes([letter]) * REQUESTS.size, bytes([letter]) * EXTERNAL_IDS.size)
    waiting = len(buffers)
    rows = buffers.take()

    assert (waiting, rows.requests, buffers.drops()) == (2, 2, {BUFFER_FULL: 1})
    assert rows.tables[Section.REQUESTS] == b"a" * REQUESTS.size + b"b" * REQUESTS.size
    assert rows.tables[Section.EXTERNAL_IDS] == b"a" * EXTERNAL_IDS.size + b"b" * EXTERNAL_IDS.size
    assert len(buffers) == 0


def test_four_threads_and_a_flusher_lose_nothing_and_count_what_does_not_fit():
    buffers = Buffers(50)
    taken = 0
    ending = threading.Event()

    def requests():
        for _ in range(20_000):
            buffers.request(ROW)

    def flusher():
        nonlocal taken
        while not ending.is_set():
            taken += buffers.take().requests

    threads = [threading.Thread(target=requests) for _ in range(4)]
    taking = threading.Thread(target=flusher)
    for thread in (taking, *threads):
        thread.start()
    for thread in threads:
        thread.join()
    ending.set()
    taking.join()
    taken += buffers.take().requests

    assert taken + buffers.drops().get(BUFFER_FULL, 0) == 80_000


def test_the_garbage_collector_tracks_nothing_of_what_waits():
    buffers = Buffers(1000)
    buffers.request(bytes(REQUESTS.size))
    buffers.request_with(ROW, bytes(EXECUTES.size), b"", b"", b"", b"")

    assert not any(gc.is_tracked(row) for row in (*buffers.plain, *buffers._whole))
