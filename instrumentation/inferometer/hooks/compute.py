"""Which runs of a model count: one execute for each run that a program starts, through however many libraries it goes.

A pipeline calls ``generate``, that calls a module, that calls a session. The outermost of them that runs one model is
the execute; what runs inside is part of it. Two are no runs themselves, but say what the runs inside them are:
``generate`` divides them into prefill and decode (`inferometer.hooks.generation`), and a pipeline only has names.
"""

import threading
from collections.abc import Callable
from typing import Any, Final, NamedTuple, Protocol

from inferometer.catalog.stages import Kind
from inferometer.recorder.executes import ExecuteMark
from inferometer.recorder.worker import Worker


class What(NamedTuple):
    """What is known of a run before it begins."""

    device: str
    model: str
    rows: int
    kind: Kind = Kind.NONE


class Timer(Protocol):
    """How the time of a run is taken: by the host's clock around a call, or by a device's events."""

    def begin(self, what: What) -> Any:
        """A run begins; what `end` needs."""

    def end(self, begun: Any) -> None:
        """It has ended, or all of it was launched."""


class WallTime:
    """By the host's clock: the call returns when the run is done."""

    def __init__(self, worker: Worker) -> None:
        self._begin = worker.executes.begin
        self.end: Callable[[Any], None] = worker.executes.end

    def begin(self, what: What) -> ExecuteMark:
        """A run begins now."""
        return self._begin(what.device, model=what.model, rows=what.rows, kind=what.kind)


class Around(Protocol):
    """What the runs of this thread are inside of."""

    def begins(self, what: What, timer: Timer) -> None:
        """A run begins; *timer* takes the time of such runs."""

    def ends(self, runner: Any) -> None:
        """A run of *runner* (a module, a session) has ended."""


class _Part:
    """A run: what runs inside is part of it."""

    def begins(self, what: What, timer: Timer) -> None:
        """Nothing: the whole is told."""

    def ends(self, runner: Any) -> None:
        """Nothing: the whole is told."""


PART: Final[Around] = _Part()


class _Inside(threading.local):
    """Of this thread: what its runs are inside of."""

    around: Around | None = None


inside: Final = _Inside()

Describe = Callable[[Any, tuple[Any, ...], dict[str, Any]], What | None]
"""(runner, positional, named arguments of the call) -> what runs; None where it is no run."""


class Runs:
    """Calls methods of one kind of runner as executes."""

    def __init__(self, worker: Worker, hook: str, timer: Timer, describe: Describe) -> None:
        self._worker = worker
        self._hook = hook
        self._timer = timer
        self._describe = describe

    def call(self, original: Callable[..., Any], runner: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Call *original* as an execute, unless it is part of one or is described as none."""
        around = inside.around
        begun: Any = None
        try:
            what = None if around is PART else self._describe(runner, args, kwargs)
            if what is not None and around is not None:
                around.begins(what, self._timer)
            elif what is not None:
                begun = self._timer.begin(what)
        except Exception as error:  # noqa: BLE001 - the edge: the model runs without us
            self._worker.hooks.failed(self._hook, error)
            what = None
        if what is None:
            return original(runner, *args, **kwargs)
        inside.around = PART
        try:
            return original(runner, *args, **kwargs)
        finally:
            inside.around = around
            self._ended(around, runner, begun)

    def _ended(self, around: Around | None, runner: Any, begun: Any) -> None:
        try:
            if around is not None:
                around.ends(runner)
            elif begun is not None:
                self._timer.end(begun)
        except Exception as error:  # noqa: BLE001 - the edge
            self._worker.hooks.failed(self._hook, error)


def measured(worker: Worker, hook: str, describe: Describe) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Make a method's replacement that tells of its wall time as an execute."""
    runs = Runs(worker, hook, WallTime(worker), describe)

    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        def call(self: Any, *args: Any, **kwargs: Any) -> Any:
            if inside.around is PART:
                return original(self, *args, **kwargs)
            return runs.call(original, self, args, kwargs)

        return call

    return make


def rows_of(value: Any) -> int:
    """Leading dimension of *value*, or of the first array in a mapping or a sequence; 0 where unknown."""
    array = first_array(value, 3)
    return 0 if array is None else leading(array)


def leading(array: Any) -> int:
    """Leading dimension of an array; 0 for a scalar and where it is not known."""
    shape = array.shape
    try:
        return int(shape[0]) if len(shape) else 0
    except (TypeError, ValueError):
        return 0


def first_array(value: Any, depth: int) -> Any:
    """The first thing with a shape in *value*, looked for in mappings and sequences down to *depth*; None without."""
    if getattr(value, "shape", None) is not None:
        return value
    if not depth:
        return None
    if isinstance(value, list | tuple):
        entries: Any = value[:4]
    elif callable(getattr(value, "values", None)):
        entries = value.values()
    else:
        return None
    for entry in entries:
        found = first_array(entry, depth - 1)
        if found is not None:
            return found
    return None
