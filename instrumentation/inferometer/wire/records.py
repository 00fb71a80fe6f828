"""From the rows of a frame to records: what joins requests with their executes, calls and intervals."""

from collections import defaultdict
from collections.abc import Iterable, Iterator

from inferometer.catalog.labels import CLOSE_REASON
from inferometer.catalog.stages import Kind, Outcome, Stage
from inferometer.record.model import Batch, Call, Execute, Flag, Interval, Labels, Moment, RequestRecord
from inferometer.wire.frame import Frame, Names
from inferometer.wire.layout import (
    BATCHES,
    CALLS,
    EXECUTES,
    EXTERNAL_IDS,
    GAPS,
    INTERVALS,
    REQUESTS,
    SHAPE_FIELDS,
)

_UNKNOWN = Labels(service="", model="")
_LABEL_FIELDS = tuple("request_class" if name == "class" else name for name in SHAPE_FIELDS)
_STAGES = {int(stage): stage for stage in Stage}
_KINDS = {int(kind): kind for kind in Kind}
_OUTCOMES = {int(outcome): outcome for outcome in Outcome}
_STAMPS = slice(4, 4 + len(Moment))


class LabelSets:
    """Label sets by number, made once per number."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self._made: dict[int, Labels] = {}

    def __getitem__(self, number: int) -> Labels:
        """Labels of a shape; empty ones for a number that the worker never named."""
        made = self._made.get(number)
        if made is None:
            shape = self._names.shapes.get(number)
            if shape is None:
                return _UNKNOWN
            made = self._made[number] = Labels(**dict(zip(_LABEL_FIELDS, shape, strict=True)))
        return made


def executes(frame: Frame, names: Names) -> Iterator[tuple[int, int, int, Execute]]:
    """(span id, shape, final, execute) of every row of the frame."""
    for row in frame.rows(EXECUTES):
        span, execute_id, batch, queued, start, end, shape, device, size, rows, kind, final, _, tokens = row
        yield (
            span,
            shape,
            final,
            Execute(
                execute_id=execute_id,
                start=start,
                end=end,
                device=names.strings.get(device, ""),
                queued=queued,
                batch_id=batch,
                batch_size=max(size, 1),
                rows=rows,
                kind=_KINDS.get(kind, Kind.NONE),
                tokens=tokens,
            ),
        )


def records(frame: Frame, names: Names, rows: Iterable[tuple[int, ...]] | None = None) -> Iterator[RequestRecord]:
    """Finished requests of a frame, each with everything that belongs to it.

    Args:
        frame: that was received.
        names: all names of the worker, those of this frame included.
        rows: of ``REQUESTS``; None means all of the frame.
    """
    runs: dict[int, list[Execute]] = defaultdict(list)
    for span, _, final, execute in executes(frame, names):
        if final and span:
            runs[span].append(execute)
    calls: dict[int, list[Call]] = defaultdict(list)
    for row in frame.rows(CALLS):
        calls[row[0]].append(_call(row, names))
    marked: dict[int, list[Interval]] = defaultdict(list)
    for span, start, end, stage, kind, _, _ in frame.rows(INTERVALS):
        if stage in _STAGES:
            marked[span].append(Interval(start=start, end=end, stage=_STAGES[stage], kind=_KINDS.get(kind, Kind.NONE)))
    gaps: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for span, bucket, count in frame.rows(GAPS):
        gaps[span].append((bucket, count))
    external = external_ids(frame)
    labels = LabelSets(names)
    for row in frame.rows(REQUESTS) if rows is None else rows:
        hi, lo, span, parent = row[:4]
        wait, bytes_in, bytes_out, shape, chunks, tokens_in, tokens_out, status, outcome, flags, last_token = row[
            _STAMPS.stop :
        ]
        yield RequestRecord(
            trace_id=hi << 64 | lo,
            span_id=span,
            parent_id=parent,
            labels=labels[shape],
            stamps=row[_STAMPS],
            outcome=_OUTCOMES.get(outcome, Outcome.SERVER_ERROR),
            status=status,
            flags=Flag(flags),
            proxy_wait_ns=wait,
            bytes_in=bytes_in,
            bytes_out=bytes_out,
            chunks=chunks,
            tokens_in=tokens_in,
            tokens_out=tokens_out,
            last_token=last_token,
            gaps=tuple(gaps.get(span, ())),
            external_id=external.get(span, ""),
            executes=tuple(runs.get(span, ())),
            calls=tuple(calls.get(span, ())),
            intervals=tuple(marked.get(span, ())),
        )


def external_ids(frame: Frame) -> dict[int, str]:
    """Span id -> what the client or a proxy calls the request."""
    rows = EXTERNAL_IDS.row.iter_unpack(frame.tables.get(EXTERNAL_IDS.section, b""))
    return {span: text.rstrip(b"\0").decode("utf-8", "replace") for span, text in rows}


def _call(row: tuple[int, ...], names: Names) -> Call:
    _, call_id, start, sent, headers, end, server_ns, target, method, status, kind, attempt, foreign, outcome = row[:14]
    return Call(
        call_id=call_id,
        start=start,
        end=end,
        target=names.strings.get(target, ""),
        sent=sent,
        headers=headers,
        server_ns=server_ns,
        method=names.strings.get(method, ""),
        status=status,
        kind=_KINDS.get(kind, Kind.INFERENCE),
        attempt=attempt,
        foreign=bool(foreign),
        outcome=_OUTCOMES.get(outcome) if outcome else None,
    )


def batches(frame: Frame, names: Names) -> Iterator[Batch]:
    """Batches that were executed since the worker's last frame."""
    labels = LabelSets(names)
    for batch_id, opened, start, end, shape, size, capacity, waiting, reason, _, _, _ in frame.rows(BATCHES):
        reasons = CLOSE_REASON.values
        yield Batch(
            batch_id=batch_id,
            labels=labels[shape],
            opened=opened,
            start=start,
            end=end,
            size=size,
            capacity=capacity,
            waiting=waiting,
            reason=reasons[min(reason, len(reasons) - 1)],
        )
