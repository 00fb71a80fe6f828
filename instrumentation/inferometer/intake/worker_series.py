"""Series of the workers themselves, from the gauges in their frames; the same for every Intake."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from inferometer.aggregate import Aggregator
from inferometer.catalog import requests, telemetry
from inferometer.catalog.labels import COMPONENT, DROP_REASON, GC_GENERATION, HOOK_STATUS
from inferometer.catalog.model import Counter, Gauge
from inferometer.errors import StateError, WireError
from inferometer.intake.pipeline import Arrival
from inferometer.wire.gauges import Gauges
from inferometer.wire.layout import REQUESTS, SHAPE_FIELDS
from inferometer.wire.pod import Pod

_WORKER: Final = COMPONENT.values[0]
_REASONS: Final = frozenset(DROP_REASON.values)
_THREADS: Final = (requests.THREADS, requests.THREADS_BUSY, requests.THREADS_WAITED_FOR)
_SHORT: Final = 12
"""Digits of a container's id by which tools name it."""
_REGION: Final = SHAPE_FIELDS.index("region")


@dataclass(slots=True)
class _Worker:
    service: str
    pid: str
    pod: Pod
    region: str = ""
    gauges: Gauges = field(default_factory=Gauges)


class WorkerSeries:
    """Feeds an aggregator with what workers say of themselves; used by one thread.

    Counters of a worker are absolute since its start: their differences are added, and what was added is part of the
    state, so that neither a resent frame nor a restart counts anything twice.
    """

    def __init__(self, aggregator: Aggregator) -> None:
        self._aggregator = aggregator
        self._workers: dict[bytes, _Worker] = {}
        self._counted: dict[str, dict[str, int]] = {}
        self._shown: set[tuple[Gauge, tuple[str, ...]]] = set()
        self._frames: dict[str, int] = {}
        self.undecodable = 0
        """Frames whose gauges could not be read, since this was set to 0."""

    def frame(self, arrival: Arrival) -> bool:
        """Take in a new frame; True if a counter rose that must survive."""
        info, frame = arrival.worker, arrival.frame
        worker = self._workers.get(info.worker_id)
        if worker is None:
            worker = self._workers[info.worker_id] = _Worker(info.service, str(info.pid), info.pod)
        if (worker.service, worker.pod) != (info.service, info.pod):
            self._aggregator.remove(telemetry.WORKER_INFO, _place(worker))
            worker.service, worker.pod = info.service, info.pod
        shape = next(iter(arrival.names.shapes.values()), None)
        worker.region = shape[_REGION] if shape is not None else ""
        self._frames[info.service] = self._frames.get(info.service, 0) + 1
        count = frame.count(REQUESTS)
        if count:
            self._aggregator.add(telemetry.RECORDS, (info.service,), count)
            self._count_frames()
        if not self._read(worker, frame.gauges):
            return True
        self._process(worker)
        for model, duration_ns in worker.gauges.model_loads:
            self._aggregator.observe(requests.MODEL_LOAD, (info.service, model, worker.region), duration_ns)
        return self._differences(info.worker_id.hex(), worker) or bool(worker.gauges.model_loads)

    def _read(self, worker: _Worker, gauges: Mapping[str, object]) -> bool:
        try:
            worker.gauges = Gauges.from_json(gauges)
        except WireError:
            self.undecodable += 1
            return False
        return True

    def _count_frames(self) -> None:
        # Frames that change nothing else make no state; counted with the next that does, the count cannot go back.
        for service, number in self._frames.items():
            self._aggregator.add(telemetry.FRAMES, (service,), number)
        self._frames.clear()

    def _differences(self, identity: str, worker: _Worker) -> bool:
        counted = self._counted.setdefault(identity, {})
        rose = False
        for reason, total in worker.gauges.drops.items():
            if reason in _REASONS:
                rose |= self._rise(counted, f"drop {reason}", total, telemetry.DROPS, (_WORKER, reason))
        for hook, total in worker.gauges.hook_errors.items():
            labels = (worker.service, hook)
            rose |= self._rise(counted, f"hook {hook}", total, telemetry.HOOK_ERRORS, labels)
        skews = worker.gauges.proxy_skews
        rose |= self._rise(counted, "proxy skew", skews, telemetry.PROXY_SKEWS, (worker.service,))
        return rose

    def _rise(self, counted: dict[str, int], key: str, total: int, entry: Counter, labels: tuple[str, ...]) -> bool:
        more = total - counted.get(key, 0)
        if more <= 0:
            return False
        counted[key] = total
        self._aggregator.add(entry, labels, more)
        return True

    def _process(self, worker: _Worker) -> None:
        # Absolute, and shown as they are: a worker that comes back after a restart of ours goes on where it was.
        labels, gauges = (worker.service, worker.pid), worker.gauges
        if worker.pod:
            self._aggregator.set(telemetry.WORKER_INFO, _place(worker), 1)
        if gauges.cpu_ns:
            self._aggregator.follow(telemetry.PROCESS_CPU, labels, gauges.cpu_ns)
        if gauges.resident_bytes:
            self._aggregator.set(telemetry.PROCESS_MEMORY, labels, gauges.resident_bytes)
        for generation, total in zip(GC_GENERATION.values, gauges.gc_collections, strict=False):
            self._aggregator.follow(telemetry.GC_COLLECTIONS, (*labels, generation), total)

    def departed(self, worker_ids: Iterable[bytes]) -> None:
        """These workers are gone: their processes' series end."""
        for worker_id in worker_ids:
            self._counted.pop(worker_id.hex(), None)
            worker = self._workers.pop(worker_id, None)
            if worker is None:
                continue
            labels = (worker.service, worker.pid)
            self._aggregator.remove(telemetry.WORKER_INFO, _place(worker))
            self._aggregator.remove(telemetry.PROCESS_CPU, labels)
            self._aggregator.remove(telemetry.PROCESS_MEMORY, labels)
            for generation in GC_GENERATION.values:
                self._aggregator.remove(telemetry.GC_COLLECTIONS, (*labels, generation))

    def show(self) -> None:
        """Set the gauges to the sums and the worst of the workers that live."""
        now: dict[tuple[Gauge, tuple[str, ...]], float] = {}

        def put(entry: Gauge, labels: tuple[str, ...], value: float, join: Callable[..., float]) -> None:
            key = entry, labels
            now[key] = join((now[key], value)) if key in now else value

        for worker in self._workers.values():
            gauges, at = worker.gauges, (worker.service, worker.region)
            put(telemetry.WORKERS, (worker.service,), 1, sum)
            put(requests.IN_FLIGHT, at, gauges.in_flight, sum)
            put(requests.EVENT_LOOP_LAG, at, gauges.event_loop_lag_ns, max)
            for depth in gauges.accept_queues:
                put(requests.ACCEPT_QUEUE, at, depth, max)
            for entry, number in zip(_THREADS, gauges.threads, strict=False):
                put(entry, at, number, sum)
            for model, depth in gauges.queue_depth.items():
                put(requests.QUEUE_DEPTH, (worker.service, model, worker.region), depth, sum)
            for hook, status in gauges.hooks.items():
                if status in HOOK_STATUS.values:
                    put(telemetry.HOOK_STATE, (worker.service, hook, status), 1, max)
        for entry, labels in self._shown - now.keys():
            self._aggregator.remove(entry, labels)
        for (entry, labels), value in now.items():
            self._aggregator.set(entry, labels, value)
        self._shown = set(now)

    def dump(self) -> bytes:
        """What was counted of each worker."""
        return json.dumps({"counted": self._counted}).encode()

    def load(self, data: bytes) -> None:
        """Take over what `dump` wrote; a process's own series come back with its next frame.

        Raises:
            StateError: it is not what `dump` writes.
        """
        try:
            state = json.loads(data)
            self._counted = {str(worker): dict(totals) for worker, totals in state["counted"].items()}
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise StateError(f"workers' counters are not as inferometer writes them: {error}") from error


def _place(worker: _Worker) -> tuple[str, ...]:
    """Labels of a worker's info."""
    pod = worker.pod
    return worker.service, worker.pid, pod.node, pod.namespace, pod.name, pod.container or pod.container_id[:_SHORT]
