"""Readings of NVIDIA's GPUs, asked of the driver through its management library (docs/gpus.md).

Each GPU is read by a thread of its own, so that a call that hangs costs the readings of one GPU; errors are waited for
by another; a third initialises the library and finds devices that were lost. `Nvml.read` lets them do a round, and
waits for no call longer than it may take.
"""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from typing import Final

from inferometer_exporters.gpus.nvml_calls import SOURCE, Calls, Failures, LostError, ReloadedError
from inferometer_exporters.gpus.nvml_events import WAIT_MS, Events, Xids
from inferometer_exporters.gpus.nvml_gpu import Gpu, GpuReader
from inferometer_exporters.gpus.nvml_inventory import Inventory
from inferometer_exporters.gpus.nvml_lane import CALL_SECONDS, Lane, wait
from inferometer_exporters.gpus.nvml_processes import PlaceOf, nowhere
from inferometer_exporters.source import Reading

ROUND_SECONDS: Final = 3.0
"""Longest wait for a round; less than the sampler's deadline, or a slow GPU would cost the readings of all."""
FIND_SECONDS: Final = 30.0
"""Longest time of a call that initialises or finds: without the persistence daemon the driver wakes each GPU first."""
_NS: Final = 10**9
_MILLI: Final = 1_000
_LIBRARY: Final = "the driver's library"
_ERRORS: Final = "errors of GPUs"


@dataclass(slots=True)
class _Part:
    """One GPU with the thread that reads it."""

    gpu: Gpu
    reader: GpuReader
    lane: Lane[tuple[Reading, ...]]
    anew: Gpu | None = None
    """The same GPU, found anew, as of the next round."""
    trouble: Exception | None = field(default=None)
    """What ended its last round early."""

    def round(self, now_ns: int) -> tuple[Reading, ...]:
        if self.anew is not None:
            self.gpu, self.anew = self.anew, None
            self.reader.found(self.gpu)
        self.trouble = None
        try:
            return tuple(self.reader.readings(now_ns))
        except (LostError, ReloadedError) as error:
            self.trouble = error
            return ()


class Nvml:
    """The GPUs of this host.

    Args:
        call_seconds: longest time of one call; one that takes longer is counted as an error, and its thread left to it.
        round_seconds: longest wait for a round of all GPUs.
        find_seconds: longest time of a call that initialises the library or finds a device.
        place_of: finds a process's container and pod.
        monotonic: seconds.
    """

    name = SOURCE

    def __init__(
        self,
        *,
        call_seconds: float = CALL_SECONDS,
        round_seconds: float = ROUND_SECONDS,
        find_seconds: float = FIND_SECONDS,
        place_of: PlaceOf = nowhere,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._call_seconds = call_seconds
        self._round_seconds = round_seconds
        self._place_of = place_of
        self._monotonic = monotonic
        self._failures = Failures()
        self._xids = Xids()
        self._bell = threading.Condition()
        self._parts: dict[str, _Part] = {}
        """Every GPU that was ever found: its totals go on when it comes back."""
        self._present: tuple[Gpu, ...] | None = None
        finding = self._calls(_LIBRARY)
        self._inventory = Inventory(finding)
        self._finder: Lane[None] = Lane(finding, self._bell, deadline=find_seconds)
        self._missed = 0
        self._searching = False
        """Something is lost, and a look for it is due."""
        self._missing = False
        """Something was lost or not there since all answered last."""
        self._event_calls = Calls(_ERRORS, self._failures)
        self._events: Events | None = None

    def read(self) -> list[Reading]:
        """Readings of all GPUs that answer, and how often calls failed."""
        now_ns = int(self._monotonic() * _NS)
        self._find(now_ns)
        present = [self._parts[gpu.uuid] for gpu in self._present or ()]
        asked = [part for part in present if not part.lane.busy]
        for part in asked:
            part.lane.begin(partial(part.round, now_ns))
        wait(self._bell, [part.lane for part in asked], longest=self._round_seconds, monotonic=self._monotonic)
        self._event_calls.patience(self._call_seconds + WAIT_MS / _MILLI)
        found = [part.lane.result() or () for part in asked]
        self._judge(present, now_ns, whole=len(asked) == len(present) and all(found))
        return [*chain.from_iterable(found), *self._xids.readings(), *self._failures.readings()]

    def close(self) -> None:
        """End the threads and shut the library down, unless a call hangs: then it is left to its fate."""
        if not self._finder.busy and self._quiet():
            self._finder.begin(self._inventory.end)
            wait(self._bell, [self._finder], longest=self._call_seconds, monotonic=self._monotonic)
        self._finder.close()
        for part in self._parts.values():
            part.lane.close()

    def _calls(self, what: str) -> Calls:
        return Calls(what, self._failures, monotonic=self._monotonic)

    def _find(self, now_ns: int) -> None:
        """Initialise, or look for devices, when it is time; take over what was found."""
        if not self._finder.busy:
            if self._inventory.due(now_ns):
                self._look(now_ns)
            if not self._finder.busy:
                self._take_over()
        else:
            self._finder.patience()

    def _look(self, now_ns: int) -> None:
        troubles = [part.trouble for part in self._parts.values() if part.trouble is not None]
        look = partial(self._inventory.look, now_ns)
        if troubles or not self._inventory.whole:
            # A device that was lost is seen again only after the library was initialised anew.
            if self._quiet():
                look = partial(self._look_anew, now_ns)
            elif not any(isinstance(trouble, ReloadedError) for trouble in troubles):
                # Nothing is shut down under a call that hangs; after a reload there is nothing to shut down.
                self._inventory.retry(now_ns)
                return
            self._present = None
        self._searching = False
        self._finder.begin(look)
        wait(self._bell, [self._finder], longest=self._call_seconds, monotonic=self._monotonic)

    def _look_anew(self, now_ns: int) -> None:
        self._inventory.end()
        self._inventory.look(now_ns)

    def _quiet(self) -> bool:
        """Have nobody in a call of the library, so that it can be shut down; whether that is so."""
        if any(part.lane.busy for part in self._parts.values()):
            return False
        if self._events is not None and not self._events.stop(self._call_seconds + WAIT_MS / _MILLI):
            return False
        self._events = None
        return True

    def _take_over(self) -> None:
        missed, self._missed = self._missed, self._inventory.failures
        if self._missed > missed:
            self._missing = True
            self._failures.spoiled()
        if self._inventory.gpus is not self._present:
            self._present = self._inventory.gpus
            for part in self._parts.values():
                part.trouble = None
            for gpu in self._present or ():
                if gpu.uuid in self._parts:
                    self._parts[gpu.uuid].anew = gpu
                else:
                    self._parts[gpu.uuid] = self._part(gpu)
            self._wait_for_errors()
        elif self._events is not None and self._events.ended and self._events.worthwhile:
            self._wait_for_errors()

    def _wait_for_errors(self) -> None:
        # One that hangs is left behind, and ends when its call returns.
        if self._events is not None:
            self._events.stop(0)
        gpus = self._present or ()
        self._event_calls = Calls(_ERRORS, self._failures)
        self._events = Events(gpus, self._event_calls, self._xids, self._uncorrected) if gpus else None

    def _uncorrected(self, uuid: str) -> None:
        self._parts[uuid].reader.slow_soon = True

    def _part(self, gpu: Gpu) -> _Part:
        calls = self._calls(gpu.uuid)
        return _Part(gpu, GpuReader(gpu, calls, self._place_of), Lane(calls, self._bell, deadline=self._call_seconds))

    def _judge(self, present: Sequence[_Part], now_ns: int, *, whole: bool) -> None:
        """What was lost is looked for; readings that are not whole are an error of the source."""
        if not whole:
            self._failures.spoiled()
        if any(part.trouble is not None for part in present):
            self._missing = True
            if not self._searching:
                self._searching = True
                self._inventory.retry(now_ns)
        elif whole and present and self._inventory.whole:
            self._inventory.steady()
            if self._missing:
                self._missing = False
                self._failures.forget()
