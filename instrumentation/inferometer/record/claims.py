"""Which stage claims which interval of a request: the rules by which stamps become stages."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from inferometer.catalog.stages import PRECEDENCE, STAGES, Kind, Stage
from inferometer.record.model import Call, Execute, Flag, RequestRecord

_KINDS = {doc.stage: doc.kinds for doc in STAGES}

_NO_THREAD = (Stage.QUEUE, Kind.THREADPOOL)


def _ranked() -> Iterator[tuple[Stage, Kind]]:
    for stage in PRECEDENCE:
        if stage is Stage.DESERIALIZE:
            # All that is known of decoding is where it begins and ends: a wait for a thread inside was none of it.
            yield _NO_THREAD
        yield from ((stage, kind) for kind in (*_KINDS[stage], Kind.NONE) if (stage, kind) != _NO_THREAD)


RANKS: tuple[tuple[Stage, Kind], ...] = tuple(_ranked())
"""Every (stage, kind) that may own an instant; where claims overlap, the lower index owns it."""
RANK: dict[tuple[int, int], int] = {(stage, kind): rank for rank, (stage, kind) in enumerate(RANKS)}


def rank_of(stage: int, kind: int) -> int:
    """Rank of a stage and kind; a kind that the stage does not have counts as none."""
    rank = RANK.get((stage, kind))
    return RANK[stage, Kind.NONE] if rank is None else rank


class Claim(NamedTuple):
    """An interval in ns of CLOCK_MONOTONIC and the rank (index into `RANKS`) that claims it."""

    start: int
    end: int
    rank: int


_STREAM = int(Flag.STREAM)
_KERNEL = RANK[Stage.QUEUE, Kind.KERNEL]
_EVENT_LOOP = RANK[Stage.QUEUE, Kind.EVENT_LOOP]
_THREADPOOL = RANK[Stage.QUEUE, Kind.THREADPOOL]
_POOL = RANK[Stage.QUEUE, Kind.POOL]
_DEVICE = RANK[Stage.QUEUE, Kind.DEVICE]
_READ = RANK[Stage.NETWORK, Kind.READ]
_SEND = RANK[Stage.NETWORK, Kind.SEND]
_TRANSIT = RANK[Stage.NETWORK, Kind.TRANSIT]
_DESERIALIZE = RANK[Stage.DESERIALIZE, Kind.NONE]
_SERIALIZE = RANK[Stage.SERIALIZE, Kind.NONE]
_HANDLER = RANK[Stage.HANDLER, Kind.NONE]


def claims(record: RequestRecord) -> Iterator[Claim]:
    """All claims of a record; they may overlap, be empty, or reach beyond the request: `partition` cuts them."""
    yield from of_stamps(record.stamps, record.flags)
    for execute in record.executes:
        yield from of_execute(execute)
    for call in record.calls:
        yield from of_call(call)
    for interval in record.intervals:
        yield Claim(interval.start, interval.end, rank_of(interval.stage, interval.kind))


def of_stamps(stamps: Sequence[int], flags: int) -> Iterator[Claim]:
    """Claims of a request's own moments."""
    arrival, started, entry, body_start, body_end, validate, endpoint, thread, encode, respond, _, _, last, done = (
        stamps
    )
    end = max(last or done, arrival or started or entry)
    streamed = int(flags) & _STREAM
    answered = respond or end
    if arrival:
        yield Claim(arrival, started or entry, _KERNEL)
    if started:
        yield Claim(started, entry, _EVENT_LOOP)
    if body_start:
        yield Claim(body_start, body_end or answered, _READ)
    if validate:
        # An endpoint that reads the body itself does so after validation; then only validation is decoding.
        decode = body_end if 0 < body_end <= validate else validate
        # A call that waits for a thread first is decoded when it has one: then this is when it was decoded.
        yield Claim(decode, max(endpoint, validate) if endpoint else answered, _DESERIALIZE)
    if thread:
        yield Claim(endpoint, thread, _THREADPOOL)
    if encode:
        yield Claim(encode, answered, _SERIALIZE)
    yield Claim(thread or endpoint or entry, end if streamed else encode or answered, _HANDLER)
    if respond and not streamed:
        # Between the parts of a stream the endpoint works; there only marked waits are the network's.
        yield Claim(respond, end, _SEND)


def of_execute(execute: Execute) -> Iterator[Claim]:
    """Claims of one run of a model."""
    if execute.queued:
        yield Claim(execute.queued, execute.start, _DEVICE)
    yield Claim(execute.start, execute.end, rank_of(Stage.EXECUTE, execute.kind))


def of_call(call: Call) -> Iterator[Claim]:
    """Claims of one outgoing attempt: pool wait, transit (half on each side), the callee.

    Without the callee's own time all of it is `remote`: its network share is unknown, and not guessed.
    """
    remote = rank_of(Stage.REMOTE, call.kind)
    sent = call.sent or call.start
    yield Claim(call.start, sent, _POOL)
    if not (call.server_ns and call.headers):
        yield Claim(sent, call.end, remote)
        return
    transit = max(call.headers - sent - call.server_ns, 0)
    there = sent + transit // 2
    back = call.headers - (transit - transit // 2)
    yield Claim(sent, there, _TRANSIT)
    yield Claim(there, back, remote)
    yield Claim(back, call.headers, _TRANSIT)
    yield Claim(call.headers, call.end, remote)
