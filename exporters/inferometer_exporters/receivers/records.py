"""Requests as a frame would bring them, made of spans that say what a record needs."""

from collections.abc import Callable, Collection, Iterable, Sequence
from operator import attrgetter
from typing import Final, NamedTuple

import numpy as np

from inferometer.catalog.stages import Kind, Stage
from inferometer.record.model import Flag
from inferometer.wire.layout import EXECUTES, INTERVALS, REQUESTS
from inferometer.wire.pod import Pod
from inferometer_exporters.columns.tables import Columns, empty
from inferometer_exporters.engine_work import source_of
from inferometer_exporters.naming import ENGINE, Naming
from inferometer_exporters.receivers.enrichment import Sender
from inferometer_exporters.receivers.facts import Facts, Part
from inferometer_exporters.recorder.store import Recorder

MAX_KINDS: Final = 1_000
"""Services with their models that spans may name; what comes after is `other`, as in every family of series."""
_OTHER: Final = "other"
_NO_WORKER: Final = 0


class Told(NamedTuple):
    """A span that became a request."""

    row: int
    """Of the spans."""
    facts: Facts
    sender: Sender
    entry: bool
    """Nobody whom we know called it."""


_START: Final = attrgetter("start")
Place = Callable[[str, str, int], str]
"""Devices of a service on a host, given when the first of its runs began (CLOCK_MONOTONIC ns); empty: not known."""


def _runs(parts: Sequence[Part]) -> list[Part]:
    """The parts in which a request ran on a device, one after the other: of two at a time the first one counts."""
    found: list[Part] = []
    until = 0
    for part in sorted((part for part in parts if part.stage is Stage.EXECUTE), key=_START):
        stage, kind, start, end = part
        start = max(start, until)
        if start < end:
            found.append(part if start == part.start else Part(stage, kind, start, end))
            until = end
    return found


class Records:
    """Makes rows of the table of requests; used by one thread.

    Args:
        naming: gives numbers to label sets.
        recorder: gives numbers to processes.
    """

    def __init__(self, naming: Naming, recorder: Recorder) -> None:
        self._naming = naming
        self._recorder = recorder
        self._labels: dict[tuple[str, ...], int] = {}
        self._processes: dict[Sender, int] = {}

    def forget(self) -> None:
        """Numbers may mean something else now."""
        self._labels.clear()
        self._processes.clear()

    def rows(self, spans: Columns, told: Sequence[Told], offset_ns: int) -> Columns:
        """Requests with what `columns.gather` adds to them.

        Args:
            spans: columns of all spans.
            told: those of them that became requests.
            offset_ns: wall time minus CLOCK_MONOTONIC, here and now.
        """
        at = np.array([one.row for one in told], np.int64)
        count = len(at)
        rows: Columns = {name: np.zeros(count, column.dtype) for name, column in empty(REQUESTS).items()}
        for name in ("trace_hi", "trace_lo", "span_id", "parent_id"):
            rows[name] = spans[name][at]
        # A span from before this boot has no moment on our clock; 0 would say that it never began.
        start = np.maximum(spans["wall_ns"][at] - offset_ns, 1)
        end = start + spans["duration_ns"][at]
        rows |= {"entry": start, "last": end, "done": end}
        base = int(Flag.FOREIGN_SPANS | Flag.TOLD)
        rows["flags"] = np.array([base | (int(Flag.ENTRY) if one.entry else 0) for one in told], np.uint8)
        for name, values in (
            ("status", [one.facts.status for one in told]),
            ("outcome", [int(one.facts.outcome) for one in told]),
            ("tokens_in", [one.facts.tokens_in for one in told]),
            ("tokens_out", [one.facts.tokens_out for one in told]),
        ):
            rows[name] = np.array(values, rows[name].dtype)
        firsts = np.array([one.facts.first_token for one in told], np.int64)
        rows["first_token"] = np.where(firsts > 0, np.clip(firsts - offset_ns, start, end), 0).astype(
            rows["first_token"].dtype
        )
        senders = {id(one.sender): one.sender for one in told}
        workers = {identity: source_of(sender.service) for identity, sender in senders.items()}
        processes = {identity: self._process(sender) for identity, sender in senders.items()}
        return rows | {
            "worker": np.array([workers[id(one.sender)] for one in told], np.uint64),
            "process": np.array([processes[id(one.sender)] for one in told], np.int64),
            "wall_offset": np.full(count, offset_ns),
            "labels": np.array(self._labels_of(told), np.int64),
        }

    def executes(self, spans: Columns, told: Sequence[Told], offset_ns: int, place: Place) -> tuple[Columns, set[int]]:
        """Runs of those requests whose device is known, as rows of frames; and which of *told* they are of."""
        first: dict[int, int] = {}
        senders: dict[int, Sender] = {}
        for one in told:
            starts = [part.start for part in one.facts.parts if part.stage is Stage.EXECUTE and part.start < part.end]
            if starts:
                identity, start = id(one.sender), min(starts)
                senders[identity] = one.sender
                first[identity] = min(first.get(identity, start), start)
        devices = self._devices(((senders[identity], start - offset_ns) for identity, start in first.items()), place)
        rows: list[dict[str, int]] = []
        placed: set[int] = set()
        for index, one in enumerate(told):
            device = devices.get((one.sender.service, one.sender.host), 0)
            if not device or not (parts := _runs(one.facts.parts)):
                continue
            placed.add(index)
            span, worker = int(spans["span_id"][one.row]), source_of(one.sender.service)
            prefills = sum(part.kind is Kind.PREFILL for part in parts)
            read = max(one.facts.tokens_in - one.facts.tokens_cached, 0)
            rows += [
                {
                    "span_id": span, "execute_id": (span + number) % (1 << 64), "worker": worker, "device": device,
                    "start": max(part.start - offset_ns, 1), "end": max(part.end - offset_ns, 1), "batch_size": 1,
                    "kind": int(part.kind), "final": 1, ENGINE: 1,
                    "tokens": read // prefills if part.kind is Kind.PREFILL else 0,
                }
                for number, part in enumerate(parts)
            ]  # fmt: skip
        kinds = {name: column.dtype for name, column in empty(EXECUTES).items()}
        kinds |= {"worker": np.dtype(np.uint64), "frame_ns": np.dtype(np.int64), ENGINE: np.dtype(bool)}
        kinds["device"] = np.dtype(np.int64)
        return {name: np.array([row.get(name, 0) for row in rows], kind) for name, kind in kinds.items()}, placed

    def intervals(self, spans: Columns, told: Sequence[Told], offset_ns: int, placed: Collection[int]) -> Columns:
        """What those requests tell of where their time went, as rows of the table of intervals.

        The execution of *placed* ones is told by their runs.
        """
        parts = [part for one in told for part in one.facts.parts]
        of = np.repeat(np.arange(len(told)), [len(one.facts.parts) for one in told])
        stages, kinds, starts, ends = (
            np.array(values, np.int64) for values in (zip(*parts, strict=True) if parts else ((), (), (), ()))
        )
        away = np.isin(of, list(placed)) & (stages == int(Stage.EXECUTE))
        these = np.flatnonzero((ends > starts) & ~away)
        at = np.array([one.row for one in told], np.int64)[of[these]]
        rows: Columns = {name: np.zeros(len(these), column.dtype) for name, column in empty(INTERVALS).items()}
        for name, values in (
            ("span_id", spans["span_id"][at]),
            # A moment from before this boot is none on our clock.
            ("start", np.maximum(starts[these] - offset_ns, 1)),
            ("end", np.maximum(ends[these] - offset_ns, 1)),
            ("stage", stages[these]),
            ("kind", kinds[these]),
        ):
            rows[name] = values.astype(rows[name].dtype)
        return rows

    def _devices(self, begun: Iterable[tuple[Sender, int]], place: Place) -> dict[tuple[str, str], int]:
        """The recorder's number of what each service runs on, by service and host; 0: not known."""
        first: dict[tuple[str, str], int] = {}
        for sender, start in begun:
            key = sender.service, sender.host
            first[key] = min(first.get(key, start), start)
        return {key: self._naming.name(place(*key, start)) for key, start in first.items()}

    def _labels_of(self, told: Sequence[Told]) -> list[int]:
        known: dict[tuple[int, str, str, str], int] = {}
        found = []
        for one in told:
            # Senders are compared by identity: to hash their texts for each span would cost more than all the rest.
            key = id(one.sender), one.facts.model, one.facts.version, one.facts.route
            label = known.get(key)
            if label is None:
                label = known[key] = self._label(one.facts, one.sender)
            found.append(label)
        return found

    def _label(self, facts: Facts, sender: Sender) -> int:
        shape = (sender.service, facts.model, facts.version, sender.region, "", "", "", facts.route)
        found = self._labels.get(shape)
        if found is None:
            if len(self._labels) >= MAX_KINDS:
                shape = (_OTHER, _OTHER, "", "", "", "", "", "")
            found = self._labels[shape] = self._naming.numbers.labels(shape)
        return found

    def _process(self, sender: Sender) -> int:
        found = self._processes.get(sender)
        if found is None:
            if len(self._processes) >= MAX_KINDS:
                return 0
            process = _NO_WORKER, sender.pid, sender.host, sender.service
            found = self._recorder.processes.number((*process, *Pod().texts))
            self._processes[sender] = found
        return found
