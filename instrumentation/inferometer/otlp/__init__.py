"""Kept traces to OTLP over HTTP: hand-encoded spans, a bounded sender, and the writer that ties them.

data, spans = encode_trace(Kept(record=…, partition=…, resource=Resource(…), wall_offset_ns=…, reason=…, outlay=…))
# data is a whole ExportTraceServiceRequest; several joined are one again
sender = Sender(endpoint="http://127.0.0.1:4318/v1/traces"); sender.start(); sender.put(Unit(…)); sender.drain()
writer = TraceWriter(sender); writer.write(kept) ; writer.settle() -> Settled(accepted=[…], …)
writer.dump() -> bytes; writer.load(bytes)
"""

from inferometer.otlp.encode import encode_trace
from inferometer.otlp.kept import DeviceState, Kept, Outlay, Resource
from inferometer.otlp.sender import Sender, Settled, Unit
from inferometer.otlp.span_ids import batch_ids, derived
from inferometer.otlp.writer import Note, Outcomes, TraceWriter

__all__ = [
    "DeviceState",
    "Kept",
    "Note",
    "Outcomes",
    "Outlay",
    "Resource",
    "Sender",
    "Settled",
    "TraceWriter",
    "Unit",
    "batch_ids",
    "derived",
    "encode_trace",
]
