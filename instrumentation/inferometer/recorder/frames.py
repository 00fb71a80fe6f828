"""Makes the frames of one worker: what was finished, what is open, what runs, in which state the process is."""

import time
from typing import TYPE_CHECKING, Final

from inferometer.recorder import process, rows
from inferometer.settings import Policy
from inferometer.wire.frame import Frame, encode
from inferometer.wire.gauges import Gauges
from inferometer.wire.layout import REQUESTS, Section

if TYPE_CHECKING:
    from inferometer.recorder.request import OpenRequest
    from inferometer.recorder.worker import Worker

MAX_OPEN_ROWS: Final = 10_000
_SPAN: Final = slice(16, 24)
"""Bytes of a request's row that hold its span id."""


class FrameMaker:
    """Numbers and fills the frames of one worker. Used by one thread."""

    def __init__(self, worker: "Worker") -> None:
        self._worker = worker
        self._sequence = 0

    def make(self) -> tuple[int, bytes]:
        """(sequence, bytes) of the next frame; what it takes is gone from the buffers."""
        worker = self._worker
        # Read before anything is collected: who has seen a frame of time t knows all that ran before t.
        monotonic_ns, wall_ns = time.monotonic_ns(), time.time_ns()
        worker.executes.ask_devices()
        scanned = [
            (request, rows.still_open(request), rows.announced(request))
            for request in list(worker.open.values())[:MAX_OPEN_ROWS]
            if not request.ended
        ]
        loose = b"".join(worker.executes.running())
        taken = worker.buffers.take()
        tables = dict(taken.tables)
        still_open = _without_finished(scanned, tables[Section.REQUESTS])
        tables[Section.OPEN] = b"".join([row for _, row, _ in still_open])
        tables[Section.EXECUTES] += loose + b"".join([executes for _, _, executes in still_open])
        tables[Section.PHASES] = worker.cold_start.rows(
            tables[Section.REQUESTS],
            worker.shapes,
            region=worker.settings.region,
            traced=worker.settings.traces is not Policy.OFF,
        )
        self._sequence += 1
        worker.frames += 1
        worker.draw()
        frame = Frame(
            worker_id=worker.worker_id,
            sequence=self._sequence,
            monotonic_ns=monotonic_ns,
            wall_ns=wall_ns,
            names=worker.shapes.take_fresh(),
            gauges=self._gauges().to_json(),
            tables=tables,
        )
        return self._sequence, encode(frame)

    def _gauges(self) -> Gauges:
        worker = self._worker
        loads = worker.take_loads()
        return Gauges(
            in_flight=len(worker.open),
            queue_depth=worker.queue_depths(),
            event_loop_lag_ns=worker.loop_lag.take(),
            accept_queues=worker.listening.depths(),
            threads=worker.thread_pool.numbers(),
            proxy_skews=worker.proxy_clock.skews(),
            drops=worker.buffers.drops(),
            hooks=worker.hooks.statuses(),
            hook_errors=worker.hooks.errors(),
            cpu_ns=process.cpu_ns(),
            resident_bytes=process.resident_bytes(),
            gc_collections=process.collections(),
            model_loads=tuple((model, duration_ns) for model, duration_ns, _ in loads),
            load_devices=tuple(device for _, _, device in loads),
        )


def _without_finished(
    scanned: "list[tuple[OpenRequest, bytes, bytes]]", finished: bytes
) -> "list[tuple[OpenRequest, bytes, bytes]]":
    """What was open at the scan, less those whose finished row is in the same frame."""
    if not any(request.ended for request, _, _ in scanned):
        return scanned
    spans = {finished[at:][_SPAN] for at in range(0, len(finished), REQUESTS.size)}
    return [entry for entry in scanned if entry[0].span_id.to_bytes(8, "little") not in spans]
