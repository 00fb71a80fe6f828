"""Spans of others in the pipeline: held until their requests are settled, then stored, recorded, sent on."""

import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Final

import numpy as np

from inferometer.catalog import telemetry
from inferometer.otlp.kept import Resource as OurResource
from inferometer_exporters.columns.gather import Gathered
from inferometer_exporters.columns.tables import Columns, Ints, Mask, concatenate, take
from inferometer_exporters.naming import Naming
from inferometer_exporters.receivers import messages
from inferometer_exporters.receivers.engine_spans import NORMALIZERS
from inferometer_exporters.receivers.engine_starts import Started, Starts, Step
from inferometer_exporters.receivers.enrichment import Home, details
from inferometer_exporters.receivers.facts import GENERATION, Facts, Normalizer
from inferometer_exporters.receivers.forward import Count, Forward
from inferometer_exporters.receivers.inbox import Inbox
from inferometer_exporters.receivers.incoming import MARKS, Incoming
from inferometer_exporters.receivers.owners import SLACK_NS, Owned, adopt, called_by_known, inherit, owners
from inferometer_exporters.receivers.records import Place, Records, Told
from inferometer_exporters.receivers.span_tree import Batch, Tree
from inferometer_exporters.recorder.store import Recorder

MARGIN_NS: Final = 5 * 10**8
"""How far the ledger must be past the arrival of spans: two frames of a worker, which tell of requests that ended."""
HOLD_NS: Final = 6 * 10**9
"""Longest wait: the ledger waits five seconds for a worker that says nothing, and a pass stores what it settled."""
MAX_HELD_BYTES: Final = 16 << 20
"""Of requests that are held, before they were decoded; beyond it the oldest go on at once."""
PATIENT_NS: Final = 600 * 10**9
"""How long spans are held for `HOLD_NS`, once some came after their request was made of others: SGLang, Ray Serve and
Dynamo export from several processes, each every few seconds."""
_REMEMBERED: Final = 100_000
"""Requests made of spans: a sender that heard no answer sends the same ones again."""
_MAX_NAME: Final = 200


def _nothing(_: str) -> str:
    return ""


def _nowhere(_service: str, _host: str, _oldest: int) -> str:
    return ""


@dataclass(frozen=True, slots=True)
class Released:
    """What a pass makes of spans."""

    rows: Columns = field(default_factory=dict)
    """For the recorder's table `spans`."""
    requests: Columns = field(default_factory=dict)
    """As `columns.gather` makes them of frames."""
    intervals: Columns = field(default_factory=dict)
    """Of these requests; as rows of the wire's table."""
    executes: Columns = field(default_factory=dict)
    """Of these requests, as `columns.gather` makes them of frames; those whose devices are known."""
    counts: Sequence[Count] = ()
    starts: Sequence[Started] = ()
    """Engines that are loaded now."""

    def of(self, these: Mask, nothing: Gathered) -> Gathered:
        """*These* of the requests with what belongs to them, as frames would bring them; *nothing* has no rows."""
        requests = take(self.requests, these)

        def mine(rows: Columns, otherwise: Columns) -> Columns:
            return take(rows, np.isin(rows["span_id"], requests["span_id"])) if rows else otherwise

        return replace(
            nothing,
            requests=requests,
            intervals=mine(self.intervals, nothing.intervals),
            executes=mine(self.executes, nothing.executes),
        )


class Foreign:
    """Takes spans from the inbox and lets them go; used by the pipeline's thread.

    Args:
        inbox: filled by the ports.
        recorder: knows our requests.
        naming: has their names.
        forward: sends spans on; None: nobody gets them.
        home: this host.
        normalizers: know what spans say of requests.
        only_model: the model of a service that has one only, empty for others: vLLM's spans name none.
        wall_ns: time since the epoch.
    """

    def __init__(
        self,
        inbox: Inbox,
        recorder: Recorder,
        naming: Naming,
        *,
        home: Home,
        forward: Forward | None = None,
        normalizers: Iterable[Normalizer] = NORMALIZERS,
        only_model: Callable[[str], str] = _nothing,
        wall_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._inbox = inbox
        self._recorder = recorder
        self._naming = naming
        self._forward = forward
        self._home = home
        self._normalizers = tuple(normalizers)
        self._only_model = only_model
        self._wanted = frozenset(name for one in self._normalizers for name in one.names)
        self._inner = {name.encode(): name for one in self._normalizers for name in one.inner}
        self._wall = wall_ns
        self._held: deque[Incoming] = deque()
        self._held_bytes = 0
        self._records = Records(naming, recorder)
        self._made: dict[int, None] = {}
        self._starts = Starts()
        self._patient_until = 0
        self._ahead: set[int] = set()

    def forget(self) -> None:
        """The recorder's numbers may mean something else now."""
        self._records.forget()

    def release(self, now_ns: int, settled_ns: int, *, place: Place = _nowhere, everything: bool = False) -> Released:
        """Take in what came, and let go what has waited long enough.

        Args:
            now_ns: CLOCK_MONOTONIC.
            settled_ns: requests that had ended by then are in the recorder.
            place: knows the devices of services.
            everything: wait for nothing.
        """
        for request in self._inbox.take():
            request.came_ns = now_ns
            self._held.append(request)
            self._held_bytes += request.size
        due: list[Incoming] = []
        enough = now_ns - HOLD_NS
        if now_ns >= self._patient_until:
            enough = max(settled_ns - MARGIN_NS, enough)
        while self._held and (everything or self._held[0].came_ns <= enough or self._held_bytes > MAX_HELD_BYTES):
            due.append(self._held.popleft())
            self._held_bytes -= due[-1].size
        released = self._released(due, now_ns, place) if due else Released()
        starts = self._starts.started(now_ns, self._wall() - now_ns, self._only_model, everything=everything)
        released = replace(released, starts=starts)
        if self._forward is None:
            return released
        self._forward.put(due)
        settled = [count for count in self._forward.settle() if count[2]]
        return replace(released, counts=[*released.counts, *settled])

    def _released(self, due: Sequence[Incoming], now_ns: int, place: Place) -> Released:
        offset = self._wall() - now_ns
        spans = concatenate([request.columns for request in due])
        cursor = self._recorder.cursor()
        try:
            owned = owners(cursor, spans, offset)
            batch = Batch(due, self._home)
            asked = set(np.unique(owned.request[owned.request != 0]).tolist())
            since = int(spans["wall_ns"].min()) - SLACK_NS
            known = details(cursor, asked, since, self._naming.text, self._home.host)
        finally:
            cursor.close()
        _enrich(batch, owned, known)
        late = self._late(spans, owned)
        tree = self._tree(batch, spans)
        told = list(self._told(batch, spans, owned, tree))
        self._start(batch, spans, now_ns)
        if told:
            made = [one.row for one in told]
            adopt(spans, owned, made)
            called = called_by_known(spans, owned, made)
            told = [one._replace(entry=False) if inside else one for one, inside in zip(told, called, strict=True)]
        # Of a request its hop says more than its span.
        stored = owned.known & ~batch.ours & (owned.request != spans["span_id"])
        rows = _rows(batch, spans, owned, np.flatnonzero(stored))
        counts: list[Count] = [(telemetry.SPANS_STORED, (), int(np.count_nonzero(stored)))]
        late[[one.row for one in told]] = False
        if late.any():
            counts.append((telemetry.SPANS_LATE, (), int(np.count_nonzero(late))))
            self._patient_until = now_ns + PATIENT_NS
        by_service = Counter(one.sender.service for one in told)
        counts += [(telemetry.RECORDS, (service,), number) for service, number in by_service.items()]
        requests = self._records.rows(spans, told, offset) if told else {}
        executes, placed = self._records.executes(spans, told, offset, place) if told else ({}, set())
        intervals = self._records.intervals(spans, told, offset, placed) if told else {}
        return Released(rows, requests, intervals, executes, [count for count in counts if count[2]])

    def _late(self, spans: Columns, owned: Owned) -> Mask:
        """Spans below a request that was made of other spans before; they belong to it."""
        orphans = (owned.request == 0) & (spans["parent_id"] != 0)
        made = set(spans["parent_id"][orphans].tolist()) & self._made.keys()
        if made:
            below = orphans & np.isin(spans["parent_id"], np.array(list(made), np.uint64))
            owned.request[below] = spans["parent_id"][below]
            owned.known[np.isin(spans["trace_lo"], spans["trace_lo"][below])] = True
            inherit(spans, owned)
        mine = set(owned.request[owned.request != 0].tolist()) & self._made.keys()
        if not mine:
            return np.zeros(len(orphans), bool)
        late: Mask = np.isin(owned.request, np.array(list(mine), np.uint64)) & (owned.request != spans["span_id"])
        if self._ahead:
            # Their request was made with them while they waited.
            seen = [span_id in self._ahead for span_id in spans["span_id"].tolist()]
            self._ahead.difference_update(spans["span_id"][seen].tolist())
            late &= ~np.array(seen)
        return late

    def _start(self, batch: Batch, spans: Columns, now_ns: int) -> None:
        """Take in what engines tell of their own start."""
        if not any(sender.starting for sender in batch.senders):
            return
        told = np.array([sender.starting for sender in batch.senders], bool)[batch.of]
        rows = np.flatnonzero(told & (spans["kind"] <= messages.INTERNAL)).tolist()
        self._starts.take((_step(batch, spans, row) for row in rows), now_ns)

    def _tree(self, batch: Batch, spans: Columns) -> Tree:
        """Spans that go on now; where some came late before, with those that wait: they may be below them."""
        if not self._held or not self._patient_until:
            return Tree(batch, spans, self._wanted)
        waiting = Batch(self._held, self._home)
        columns = concatenate([spans, *(request.columns for request in self._held)])
        return Tree(batch.with_more(waiting), columns, self._wanted, ahead=len(batch.spans))

    def _told(self, batch: Batch, spans: Columns, owned: Owned, tree: Tree) -> Iterable[Told]:
        """Spans that are requests which nobody recorded."""
        # SGLang's requests are roots of no kind.
        served = spans["kind"] == messages.SERVER
        root = (spans["kind"] <= messages.INTERNAL) & (spans["parent_id"] == 0)
        others = ~batch.ours & (owned.request != spans["span_id"])
        candidates = (served | root) & others
        lower = (spans["kind"] <= messages.INTERNAL) & (spans["parent_id"] != 0) & others
        anywhere = frozenset().union(*(marks for marks in batch.marks if marks is not None))
        unknown = None in batch.marks
        for first, last, marks in batch.parts():
            asked = self._asked(None if marks is None or unknown else marks, anywhere)
            rows = np.flatnonzero(candidates[first:last]) + first
            names = {name for mark, name in self._inner.items() if marks is None or mark in marks}
            if names:
                below = (np.flatnonzero(lower[first:last]) + first).tolist()
                named = [row for row in below if batch.spans[row].name in names]
                rows = np.sort(np.append(rows, np.array(named, rows.dtype)))
            if asked and len(rows):
                yield from self._told_of(rows, batch, (spans, served, owned), tree, asked)

    def _asked(self, marks: frozenset[bytes] | None, anywhere: frozenset[bytes]) -> tuple[Normalizer, ...]:
        """Who may know spans of a body that has these marks, where others that came with it have *anywhere*."""
        if marks is None:
            return self._normalizers
        # What is below a request may have come in another body.
        return tuple(
            one
            for one in self._normalizers
            if one.mark not in MARKS or one.mark in (marks if one is GENERATION else anywhere)
        )

    def _told_of(
        self,
        rows: Ints,
        batch: Batch,
        known: tuple[Columns, Mask, Owned],
        tree: Tree,
        asked: Sequence[Normalizer],
    ) -> Iterable[Told]:
        spans, served, owned = known
        columns = (rows, spans["span_id"][rows], served[rows], owned.request[rows], batch.of[rows])
        roots = [one for one in asked if one.roots]
        # Where TGI's spans are about, it is asked first.
        alone = not any(one.mark for one in asked if one is not GENERATION)
        for row, own, is_served, owner, of in zip(*(column.tolist() for column in columns), strict=True):
            if own in self._made:
                continue
            facts = batch.generated.get(row) if alone else None
            if facts is None:
                facts = self._facts(batch.spans[row].name, row, tree, asked if is_served else roots)
            if facts is None:
                continue
            self._remember(own)
            sender = batch.senders[of]
            if not facts.model:
                facts = facts._replace(model=self._only_model(sender.service))
            yield Told(row, facts, sender, not owner)

    def _facts(self, name: str, row: int, tree: Tree, asked: Sequence[Normalizer]) -> Facts | None:
        mine = [one for one in asked if one.called(name)]
        if not mine:
            return None
        span = tree.told(row)
        facts = next((facts for ask in mine if (facts := ask(span)) is not None), None)
        if facts is not None:
            self._ahead.update(tree.looked)
        tree.looked.clear()
        return facts

    def _remember(self, span_id: int) -> None:
        self._made[span_id] = None
        if len(self._made) > _REMEMBERED:
            # Many at once: a dictionary's first key is searched for among those that were deleted.
            for oldest in list(islice(self._made, _REMEMBERED // 4)):
                del self._made[oldest]


def _step(batch: Batch, spans: Columns, row: int) -> Step:
    span, sender = batch.spans[row], batch.senders[batch.of[row]]
    return Step(
        trace=(int(spans["trace_hi"][row]), int(spans["trace_lo"][row])),
        name=span.name,
        start=span.start_time_unix_nano,
        end=max(span.end_time_unix_nano, span.start_time_unix_nano),
        resource=OurResource(service=sender.service, host=sender.host, pid=sender.pid, region=sender.region),
        failed=messages.failed(span),
    )


def _enrich(batch: Batch, owned: Owned, known: dict[int, bytes]) -> None:
    for row in np.flatnonzero(owned.request != 0).tolist():
        fields = known.get(int(owned.request[row]))
        # Our own spans say what they have to say.
        if fields is not None and not batch.ours[row]:
            batch.spans[row].MergeFromString(fields)


def _rows(batch: Batch, spans: Columns, owned: Owned, at: Ints) -> Columns:
    if not len(at):
        return {}
    of = [batch.spans[row] for row in at.tolist()]
    names = ("trace_hi", "trace_lo", "span_id", "parent_id", "wall_ns", "duration_ns", "kind")
    return take({name: spans[name] for name in names}, at) | {
        "failed": np.array([messages.failed(span) for span in of], np.uint8),
        "request": owned.request[at],
        "service": np.array([batch.senders[batch.of[row]].service for row in at.tolist()], object),
        "name": np.array([span.name[:_MAX_NAME] for span in of], object),
    }
