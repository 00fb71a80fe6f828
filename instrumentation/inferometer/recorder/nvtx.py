"""``INFEROMETER_NVTX=1``: our marks as NVTX ranges, so that Nsight shows stages and executes by name.

Ranges go through the package ``nvtx``, or through ``torch.cuda.nvtx`` as soon as torch is imported. Each is named by
its stage and kind: ``preprocess``, ``execute``, ``execute prefill``. What is launched on a device is a range of the
host from before its launch until all of it was launched; below it Nsight shows what of that ran on the device and when.

Off, nothing here is imported: methods of marks and executes are replaced by ones that open and close ranges, so that
nobody asks for a setting on the path of a request.
"""

import logging
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any, Final, Protocol

from inferometer.catalog.stages import Kind, Stage
from inferometer.recorder.executes import BatchRun, ExecuteMark
from inferometer.recorder.hook_states import ACTIVE
from inferometer.recorder.marks import stage
from inferometer.recorder.worker import Worker

log = logging.getLogger("inferometer")

HOOK: Final = "nvtx"
DOMAIN: Final = "inferometer"
_MAX_OPEN: Final = 10_000
_EXECUTE: Final = {kind: f"{Stage.EXECUTE.label} {kind.label}".strip() for kind in Kind}


class Ranges(Protocol):
    """A library of ranges that may overlap and may end in another thread."""

    def start(self, name: str) -> Any:
        """Open a range; what `end` needs, None where none was opened."""

    def end(self, handle: Any) -> None:
        """Close it."""


class NvtxRanges:
    """The package ``nvtx``."""

    def __init__(self, nvtx: Any) -> None:
        self._domain = nvtx.get_domain(DOMAIN)
        self._attributes: dict[str, Any] = {}

    def start(self, name: str) -> Any:
        """Open a range in our domain."""
        attributes = self._attributes.get(name)
        if attributes is None:
            attributes = self._attributes[name] = self._domain.get_event_attributes(message=name)
        return self._domain.start_range(attributes)

    def end(self, handle: Any) -> None:
        """Close it."""
        self._domain.end_range(handle)


class TorchRanges:
    """``torch.cuda.nvtx``, from when torch is imported."""

    def start(self, name: str) -> Any:
        """Open a range; none while torch is not there."""
        torch = sys.modules.get("torch")
        return None if torch is None else (torch.cuda.nvtx.range_start(name),)

    def end(self, handle: Any) -> None:
        """Close it."""
        sys.modules["torch"].cuda.nvtx.range_end(handle[0])


class _NoRanges:
    """After a failure: nothing."""

    def start(self, name: str) -> Any:
        """None: there is no range."""

    def end(self, handle: Any) -> None:
        """Nothing: there is no range."""


def library(load: Callable[[str], Any] = import_module) -> Ranges:
    """The library that is there; *load* imports a package by its name."""
    try:
        return NvtxRanges(load("nvtx"))
    except ImportError:
        log.warning("INFEROMETER_NVTX: there is no package nvtx; ranges are opened once torch is imported")
        return TorchRanges()


def install(worker: Worker, ranges: Ranges | None = None) -> None:
    """Open a range for each mark from now on, once; before hooks are installed, which keep what they call."""
    if worker.hooks.status_of(HOOK) is not None:
        return
    made = _Open(worker, ranges or library())
    executes = worker.executes
    for owner, name, replacement in (
        (executes, "begin", made.begins(executes.begin)),
        (executes, "launch", made.begins(executes.launch)),
        (executes, "begin_whole", made.begins_whole(executes.begin_whole)),
        (executes, "launched", made.ends(executes.launched)),
        (executes, "end", made.ends(executes.end)),
        (stage, "__enter__", made.enters(stage.__enter__)),
        (stage, "__exit__", made.leaves(stage.__exit__)),
    ):
        made.replace(owner, name, replacement)
    worker.hooks.set(HOOK, ACTIVE)


class _Open:
    """Ranges that are open, by the mark that they show."""

    def __init__(self, worker: Worker, ranges: Ranges) -> None:
        self._worker = worker
        self._ranges = ranges
        self._open: dict[int, Any] = {}

    def replace(self, owner: Any, name: str, replacement: Any) -> None:
        """Put *replacement* in the place of an attribute, until we fail."""
        own = vars(owner).get(name)
        setattr(owner, name, replacement)

        def undo() -> None:
            if own is None:
                delattr(owner, name)
            else:
                setattr(owner, name, own)

        self._worker.hooks.on_failure(HOOK, undo)

    def begins(self, original: Callable[..., ExecuteMark]) -> Callable[..., ExecuteMark]:
        """An execute that begins or is launched."""

        def begin(device: str, *, model: str = "", rows: int = 0, kind: Kind = Kind.NONE) -> ExecuteMark:
            handle = self._start(_EXECUTE[kind])
            mark = original(device, model=model, rows=rows, kind=kind)
            self._keep(id(mark), handle)
            return mark

        return begin

    def begins_whole(self, original: Callable[..., None]) -> Callable[..., None]:
        """A batch as a whole; an execute inside that takes its place takes its range's place as well."""

        def begin_whole(run: BatchRun, device: str, rows: int = 0, kind: Kind = Kind.NONE) -> None:
            handle = self._start(_EXECUTE[kind])
            original(run, device, rows, kind)
            self._keep(id(run.whole), handle)

        return begin_whole

    def ends(self, original: Callable[..., None]) -> Callable[..., None]:
        """An execute that has ended, or was launched."""

        def end(mark: ExecuteMark, *args: Any) -> None:
            original(mark, *args)
            self._end(id(mark))

        return end

    def enters(self, original: Callable[[stage], None]) -> Callable[[stage], None]:
        """A stage that the user marks; one of ``execute`` is a range already, as what it begins."""

        def __enter__(self_: stage) -> None:  # noqa: N807 - it becomes that method
            found = self_._stage  # noqa: SLF001 - its name is nobody else's business
            if found is not None and found is not Stage.EXECUTE:
                self._keep(id(self_), self._start(found.label))
            original(self_)

        return __enter__

    def leaves(self, original: Callable[..., None]) -> Callable[..., None]:
        """The stage ends."""

        def __exit__(self_: stage, *error: Any) -> None:  # noqa: N807 - it becomes that method
            original(self_, *error)
            self._end(id(self_))

        return __exit__

    def _start(self, name: str) -> Any:
        try:
            return self._ranges.start(name)
        except Exception as error:  # noqa: BLE001 - the edge: Nsight shows less
            self._failed(error)
            return None

    def _keep(self, key: int, handle: Any) -> None:
        self._end(key)
        if handle is not None and len(self._open) < _MAX_OPEN:
            self._open[key] = handle

    def _end(self, key: int) -> None:
        try:
            handle = self._open.pop(key, None)
            if handle is not None:
                self._ranges.end(handle)
        except Exception as error:  # noqa: BLE001 - the edge: Nsight shows less
            self._failed(error)

    def _failed(self, error: Exception) -> None:
        # Hooks that were installed meanwhile keep calling us.
        self._ranges = _NoRanges()
        self._worker.hooks.failed(HOOK, error)
