"""What every Intake does with a worker's cold start: count it, and export its waterfall."""

from inferometer.aggregate import Aggregator
from inferometer.catalog import requests
from inferometer.intake.pipeline import Arrival
from inferometer.otlp.cold_start import encode_cold_start
from inferometer.otlp.kept import Resource
from inferometer.otlp.writer import TraceWriter
from inferometer.record.cold_start import ColdStart
from inferometer.wire.cold_starts import cold_start


def absorb(arrival: Arrival, aggregator: Aggregator, writer: TraceWriter | None) -> bool:
    """Take in the cold start that came with a new frame; True where one did.

    A frame is new once, and what is counted and what waits to be exported are parts of one state: so a cold start is
    counted and exported once, whatever is resent or dies.
    """
    start = cold_start(arrival.frame, arrival.names)
    if start is None:
        return False
    worker, frame = arrival.worker, arrival.frame
    resource = Resource(service=worker.service, host=worker.host, pid=worker.pid, region=start.region, pod=worker.pod)
    count(start, resource, frame.wall_ns - frame.monotonic_ns, aggregator, writer)
    return True


def count(
    start: ColdStart, resource: Resource, wall_offset_ns: int, aggregator: Aggregator, writer: TraceWriter | None
) -> None:
    """Count a cold start, and export its waterfall where it is to be.

    Args:
        start: the cold start.
        resource: the process.
        wall_offset_ns: wall time minus CLOCK_MONOTONIC.
        aggregator: counts it.
        writer: exports it; None: nobody takes traces.
    """
    labels = resource.service, start.region
    aggregator.add(requests.COLD_STARTS, labels)
    aggregator.observe(requests.COLD_START, labels, start.ready_ns)
    if writer is not None and start.traced:
        data, spans = encode_cold_start(start, resource, wall_offset_ns)
        writer.write_encoded(data, spans, 1)
