"""What a forked child has of its parent: neither its sequence of ids, nor a lock that another thread held."""

import os
import threading

from inferometer.recorder.request import OpenRequest
from inferometer.wire.layout import OPEN

LOCKS = (type(threading.Lock()), type(threading.RLock()))
PARTS = (
    "", "buffers", "shapes", "executes", "hooks", "loop_lag", "thread_pool", "listening", "proxy_clock", "cold_start",
    "_destination",
)  # fmt: skip


def ids(worker):
    return {worker.bits(64) for _ in range(100)}


def test_a_child_draws_other_ids_than_its_parent_goes_on_with(bench):
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        bench.worker.after_fork()
        os.write(writing, " ".join(map(str, ids(bench.worker))).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        of_the_child = {int(number) for number in pipe.read().split()}
    os.waitpid(child, 0)

    assert len(of_the_child) == 100
    assert of_the_child.isdisjoint(ids(bench.worker))


def locks(worker):
    """Name -> lock, of the worker and its parts."""
    found = {}
    for part in PARTS:
        owner = getattr(worker, part) if part else worker
        found |= {(part, name): lock for name, lock in vars(owner).items() if isinstance(lock, LOCKS)}
    return found


def test_a_child_waits_for_no_thread_that_is_not_in_it(bench):
    before = locks(bench.worker)
    held = threading.Thread(target=lambda: [lock.acquire() for lock in before.values()])
    held.start()
    held.join()
    bench.worker.after_fork()

    assert {("", "_starting"), ("buffers", "_lock"), ("shapes", "_lock"), ("hooks", "_lock")} <= before.keys()
    assert [name for name, lock in locks(bench.worker).items() if not lock.acquire(blocking=False)] == []


def test_a_child_says_nothing_of_requests_that_are_open_in_its_parent(bench):
    OpenRequest(bench.worker, [])
    assert bench.frame().count(OPEN) == 1
    bench.worker.after_fork()

    assert bench.frame().count(OPEN) == 0
