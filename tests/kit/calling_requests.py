"""Requests that call somebody: their records, and where their time went."""

import asyncio

from inferometer.catalog.stages import Kind, Stage
from inferometer.record.partition import partition
from inferometer.recorder.asgi import recording
from inferometer.recorder.frames import FrameMaker
from inferometer.wire.frame import decode
from inferometer.wire.records import records

TRACE = f"00-{'ab' * 16}-{'cd' * 8}-01"
MS = 1_000_000
POOL = (Stage.QUEUE, Kind.POOL)
TRANSIT = (Stage.NETWORK, Kind.TRANSIT)
REMOTE = (Stage.REMOTE, Kind.INFERENCE)


def within_a_request(worker, act, headers=()):
    """The record of a request inside which the coroutine function *act* ran."""

    async def app(scope, receive, send):
        await act()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def nothing(_=None):
        return {"type": "http.request"}

    recorded = recording(worker, lambda _, *rest: app(*rest))
    asyncio.run(recorded(None, {"type": "http", "method": "GET", "path": "/", "headers": headers}, nothing, nothing))
    (record,) = records(decode(FrameMaker(worker).make()[1]), worker.shapes.all())
    return record


def times(record):
    """ms by stage and kind."""
    assert sum(partition(record).totals) == record.duration_ns
    found = {}
    for segment in partition(record).segments:
        key = (segment.stage, segment.kind)
        found[key] = found.get(key, 0) + segment.duration_ns / MS
    return found
