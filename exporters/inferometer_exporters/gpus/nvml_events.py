"""Errors that the driver tells on its own: XIDs, and uncorrected memory errors; waited for in a thread of its own."""

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from inferometer.catalog import gpus
from inferometer_exporters.gpus import nvml_library as nvml
from inferometer_exporters.gpus.nvml_calls import Calls, LostError, ReloadedError
from inferometer_exporters.gpus.nvml_gpu import Gpu
from inferometer_exporters.gpus.nvml_library import Event, Handle
from inferometer_exporters.source import Reading

_log = logging.getLogger(__name__)

WAIT_MS: Final = 500
"""Longest wait for one event; how long it takes until somebody who ends this thread is heard."""
_QUIET: Final = Event(None, 0, 0)
_QUIET_ANSWERS: Final[dict[str, Event | None]] = {nvml.TIMED_OUT: _QUIET}


class Xids:
    """XID errors since the start, by device and code; outlives the driver."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[tuple[str, int], int] = {}

    def count(self, device: str, xid: int) -> None:
        """One more; each is logged, since each means something to whoever looks for it."""
        with self._lock:
            self._counts[device, xid] = self._counts.get((device, xid), 0) + 1
        _log.warning("XID %d of %s", xid, device)

    def readings(self) -> Iterator[Reading]:
        """The counters so far."""
        with self._lock:
            counts = list(self._counts.items())
        for (device, xid), count in counts:
            yield Reading(gpus.GPU_XID_ERRORS, (device, str(xid)), count, own=True)


class Events:
    """One wait for events of all devices; ends at the first error, and is made anew with the devices.

    Args:
        gpus: whose events are waited for.
        calls: of this thread.
        xids: counts them.
        uncorrected: told the UUID of a GPU whose memory had an error.
    """

    def __init__(self, gpus: Sequence[Gpu], calls: Calls, xids: Xids, uncorrected: Callable[[str], None]) -> None:
        self._gpus = gpus
        self._uuids = {nvml.address(gpu.handle): gpu.uuid for gpu in gpus}
        self._calls = calls
        self._xids = xids
        self._uncorrected = uncorrected
        self.worthwhile = True
        """There are devices that tell of errors; without any it is no use to wait again."""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="inferometer-nvml-events", daemon=True)
        self._thread.start()

    @property
    def ended(self) -> bool:
        """Whether nobody waits any more."""
        return not self._thread.is_alive()

    def stop(self, seconds: float) -> bool:
        """End the wait; whether it has ended within *seconds*."""
        self._stop.set()
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            events = self._calls(nvml.EVENT_SET)
            self.worthwhile = events is not None and self._registered(events)
            if self.worthwhile:
                self._wait(events)
            if events is not None:
                self._calls(nvml.EVENT_FREE, events)
        except (LostError, ReloadedError):
            # The threads that read the devices see it, too, and have them found anew.
            return
        except Exception:  # noqa: BLE001 - a thread has nobody above it who would hear of it
            _log.exception("waiting for errors of GPUs failed")

    def _registered(self, events: Handle) -> bool:
        registered = [self._register(events, gpu) for gpu in self._gpus]
        return any(registered)

    def _register(self, events: Handle, gpu: Gpu) -> bool:
        try:
            kinds = (self._calls(nvml.EVENT_KINDS, gpu.handle, key=gpu.uuid) or 0) & (nvml.XID | nvml.UNCORRECTED)
            if not kinds:
                return False
            return self._calls(nvml.EVENT_REGISTER, gpu.handle, kinds, events, key=gpu.uuid) is True
        except LostError:
            # It is looked for; the others may tell of errors all the same.
            return False

    def _wait(self, events: Handle) -> None:
        while not self._stop.is_set():
            event = self._calls(nvml.EVENT_WAIT, events, WAIT_MS, answers=_QUIET_ANSWERS)
            if event is None:
                return
            device = self._uuids.get(nvml.address(event.device)) if event.kind else None
            if device is None:
                continue
            if event.kind == nvml.XID:
                self._xids.count(device, event.data)
            elif event.kind == nvml.UNCORRECTED:
                self._uncorrected(device)
