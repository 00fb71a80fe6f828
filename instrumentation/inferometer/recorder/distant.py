"""The part of a request that runs in another process of the same host, such as a server's inference worker.

There a `Part` stands for the request: hooks and marks find it like any open request. What it collected goes back with
the server's own answer as plain values (`told`), and `take_over` gives it to the request, whose record then leaves in
one frame, as always. CLOCK_MONOTONIC is one clock for all processes of a host, so no stamp has to be translated.
"""

from typing import Final

from inferometer.catalog.stages import Kind, Stage
from inferometer.record.model import Flag
from inferometer.recorder.calls import CallMark
from inferometer.recorder.executes import BatchRun, ExecuteMark
from inferometer.recorder.request import OpenRequest, now
from inferometer.recorder.worker import Worker

Told = tuple[
    tuple[str, ...],  # model, hooked, version, tenant, request class
    tuple[bool, bool, int],  # degraded, rejected, flags
    tuple[tuple[int, ...], ...],  # intervals: start, end, stage, kind
    tuple[tuple[int | str, ...], ...],  # executes, in the order of `_EXECUTE`
]
_EXECUTE: Final = ("execute_id", "batch_id", "queued", "start", "end", "batch_size", "rows", "kind")
_NAMES: Final = ("model", "hooked", "version", "tenant", "request_class")
_CARRIED: Final = Flag.CACHE_HIT | Flag.WARMUP


class Part(OpenRequest):
    """Stands for a request in a process that does not serve it; it makes no record of its own."""

    __slots__ = ("told_intervals",)

    in_context = False

    def __init__(self, worker: Worker) -> None:
        super().__init__(worker, ())
        # Whose spans the request has is decided where it is served.
        self.joined = None
        del worker.open[self.span_id]
        self.flags = 0
        self.version = ""
        self.told_intervals: list[tuple[int, ...]] = []

    def add_interval(self, start: int, end: int, stage: Stage, kind: Kind = Kind.NONE) -> None:
        """Give a stretch to a stage."""
        before = len(self.intervals or ())
        super().add_interval(start, end, stage, kind)
        if len(self.intervals or ()) > before:
            self.told_intervals.append((start, end, int(stage), int(kind)))

    def add_call(self, mark: CallMark) -> bool:  # noqa: ARG002 - it is that of the base
        """Nothing: an outgoing call needs the trace of the request, which is in the other process."""
        return False

    def told(self) -> Told:
        """Everything that was collected; from now on nothing more is."""
        for mark in self.executes or ():
            if mark.ask is not None:
                mark.ask()
        self.ended = now()
        strings = self.worker.shapes.all().strings
        runs: list[tuple[int | str, ...]] = [
            (mark.model, strings.get(mark.device, ""), *(int(getattr(mark, name)) for name in _EXECUTE))
            for mark in self.executes or ()
            if mark.start and mark.execute_id
        ]
        return (
            tuple(getattr(self, name) for name in _NAMES),
            (self.degraded, self.rejected, int(self.flags & _CARRIED)),
            tuple(self.told_intervals),
            tuple(runs),
        )


def take_over(request: OpenRequest, told: Told) -> None:
    """Add to *request* what its part in another process told."""
    names, (degraded, rejected, flags), intervals, runs = told
    for name, value in zip(_NAMES, names, strict=True):
        if value and (name != "hooked" or not request.hooked):
            setattr(request, name, value)
    request.degraded |= degraded
    request.rejected |= rejected
    request.flags |= flags
    for start, end, stage, kind in intervals:
        request.add_interval(start, end, Stage(stage), Kind(kind))
    ended = now()
    for run in runs:
        mark = _mark(request.worker, run)
        mark.end = mark.end or ended
        if not request.add_execute(mark):
            request.worker.executes.of_nobody(mark)


def take_over_inside(worker: Worker, run: BatchRun, told: Told) -> None:
    """Add to the members of a batch what its run in another process told."""
    _, _, intervals, runs = told
    for request in run.owners:
        for start, end, stage, kind in intervals:
            request.add_interval(start, end, Stage(stage), Kind(kind))
    worker.executes.ran_inside(run, [_mark(worker, each) for each in runs])


def given_up(worker: Worker, told: Told) -> None:
    """What a part told whose request nobody knows any more: its runs are work of nobody."""
    for run in told[-1]:
        mark = _mark(worker, run)
        mark.end = mark.end or now()
        worker.executes.of_nobody(mark)


def _mark(worker: Worker, run: tuple[int | str, ...]) -> ExecuteMark:
    model, device, *numbers = run
    facts = dict(zip(_EXECUTE, (int(number) for number in numbers), strict=True))
    mark = ExecuteMark(
        facts["execute_id"], worker.shapes.string(str(device)), model=str(model), rows=facts["rows"], kind=facts["kind"]
    )
    mark.start, mark.end, mark.queued = facts["start"], facts["end"], facts["queued"]
    mark.batch_id, mark.batch_size = facts["batch_id"], facts["batch_size"]
    return mark
