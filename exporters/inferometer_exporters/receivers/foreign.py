"""Spans of others in the pipeline: held until their requests are settled, then stored, recorded, sent on."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import numpy as np

from inferometer.catalog import telemetry
from inferometer.otlp.kept import Resource as OurResource
from inferometer_exporters.columns.tables import Columns, concatenate
from inferometer_exporters.naming import Naming
from inferometer_exporters.receivers import messages
from inferometer_exporters.receivers.asking import Asking
from inferometer_exporters.receivers.earlier import Earlier
from inferometer_exporters.receivers.engine_spans import NORMALIZERS
from inferometer_exporters.receivers.engine_starts import Starts, Step
from inferometer_exporters.receivers.enrichment import Home, details
from inferometer_exporters.receivers.facts import Normalizer
from inferometer_exporters.receivers.forward import Count, Forward
from inferometer_exporters.receivers.holding import Holding
from inferometer_exporters.receivers.inbox import Inbox
from inferometer_exporters.receivers.incoming import Incoming
from inferometer_exporters.receivers.owners import SLACK_NS, Owned, adopt, called_by_known, owners
from inferometer_exporters.receivers.passes import Passes
from inferometer_exporters.receivers.records import Place, Records
from inferometer_exporters.receivers.released import Released, span_rows
from inferometer_exporters.receivers.span_tree import Batch, Tree
from inferometer_exporters.recorder.store import Recorder


def _nothing(_: str) -> str:
    return ""


def _nowhere(_service: str, _host: str, _oldest: int) -> str:
    return ""


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
        self._passes = Passes(naming)
        self._holding = Holding(inbox, self._passes.keep)
        self._recorder = recorder
        self._naming = naming
        self._forward = forward
        self._home = home
        self._asking = Asking(tuple(normalizers), only_model)
        self._earlier = Earlier(self._asking.keeps, self._asking.wanted)
        self._only_model = only_model
        self._wall = wall_ns
        self._records = Records(naming, recorder)
        self._starts = Starts()

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
        due = self._holding.due(now_ns, settled_ns, everything=everything)
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
        late = self._asking.late(spans, owned)
        tree = self._tree(batch, spans)
        told = list(self._asking.told(batch, spans, owned, tree))
        self._start(batch, spans, now_ns)
        if told:
            made = [one.row for one in told]
            adopt(spans, owned, made)
            called = called_by_known(spans, owned, made)
            told = [one._replace(entry=False) if inside else one for one, inside in zip(told, called, strict=True)]
        self._earlier.keep(batch, spans, owned, now_ns)
        # Of a request its hop says more than its span.
        stored = owned.known & ~batch.ours & (owned.request != spans["span_id"])
        rows = span_rows(batch, spans, owned, np.flatnonzero(stored))
        counts: list[Count] = [(telemetry.SPANS_STORED, (), int(np.count_nonzero(stored)))]
        late[[one.row for one in told]] = False
        if late.any():
            counts.append((telemetry.SPANS_LATE, (), int(np.count_nonzero(late))))
            self._holding.be_patient(now_ns)
        by_service = Counter(one.sender.service for one in told)
        counts += [(telemetry.RECORDS, (service,), number) for service, number in by_service.items()]
        requests = self._records.rows(spans, told, offset) if told else {}
        executes, placed = self._records.executes(spans, told, offset, place) if told else ({}, set())
        intervals = self._records.intervals(spans, told, offset, placed) if told else {}
        took = self._passes.took(spans, told, executes, offset)
        return Released(rows, requests, intervals, executes, [count for count in counts if count[2]], took=took)

    def _start(self, batch: Batch, spans: Columns, now_ns: int) -> None:
        """Take in what engines tell of their own start."""
        if not any(sender.starting for sender in batch.senders):
            return
        told = np.array([sender.starting for sender in batch.senders], bool)[batch.of]
        rows = np.flatnonzero(told & (spans["kind"] <= messages.INTERNAL)).tolist()
        self._starts.take((_step(batch, spans, row) for row in rows), now_ns)

    def _tree(self, batch: Batch, spans: Columns) -> Tree:
        """Spans that go on now; where some came late before, with those that wait: they may be below them."""
        waiting, wanted, earlier = self._holding.waiting(), self._asking.wanted, self._earlier.below
        if not waiting:
            return Tree(batch, spans, wanted, earlier=earlier)
        columns = concatenate([spans, *(request.columns for request in waiting)])
        both = batch.with_more(Batch(waiting, self._home))
        return Tree(both, columns, wanted, ahead=len(batch.spans), earlier=earlier)


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
