"""What a finished request is measured by: observations of histograms, and times that objectives are judged by."""

from collections.abc import Iterator
from dataclasses import dataclass

from inferometer.catalog import requests
from inferometer.catalog.model import Series
from inferometer.catalog.stages import Stage
from inferometer.fleet.objective import Times
from inferometer.record.model import Labels, Moment, RequestRecord
from inferometer.record.partition import Partition

LabelValues = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Point:
    """One observation: a histogram's entry, its label values, and the value in stored units."""

    entry: Series
    labels: LabelValues
    value: int


def of_model(labels: Labels) -> LabelValues:
    """Values of ``catalog.requests.OF_MODEL``; a model that nobody names is called by its route."""
    return labels.service, labels.model or labels.route, labels.version, labels.region


def measured(record: RequestRecord) -> Iterator[tuple[Series, int]]:
    """What a finished request is measured by besides its stages: (histogram, value). What is unknown is left out."""
    stamps = record.stamps
    yield requests.REQUEST_DURATION, record.duration_ns
    if record.proxy_wait_ns:
        yield requests.PROXY_WAIT, record.proxy_wait_ns
    if stamps[Moment.FIRST_TOKEN]:
        yield requests.TIME_TO_FIRST_TOKEN, record.first_token_ns or 0
        each = record.time_per_output_token_ns
        if each is not None:
            yield requests.TIME_PER_OUTPUT_TOKEN, each
    elif record.first_chunk_ns is not None:
        yield requests.TIME_TO_FIRST_CHUNK, max(record.first_chunk_ns, 0)
    if record.bytes_in:
        yield requests.REQUEST_BYTES, record.bytes_in
    if record.bytes_out:
        yield requests.RESPONSE_BYTES, record.bytes_out


def times(record: RequestRecord, partition: Partition) -> Times:
    """What objectives are judged by."""
    return Times(
        duration=record.duration_ns,
        first_chunk=record.first_chunk_ns,
        first_token=record.first_token_ns,
        per_token=record.time_per_output_token_ns,
        stages=partition.totals,
    )


def points(record: RequestRecord, partition: Partition) -> Iterator[Point]:
    """Every observation of a finished request; a stage that did not occur is not observed."""
    labels = of_model(record.labels)
    for entry, value in measured(record):
        yield Point(entry, labels, value)
    for stage in Stage:
        if partition.totals[stage]:
            yield Point(requests.STAGE_DURATION, (*labels, stage.label), partition.totals[stage])
