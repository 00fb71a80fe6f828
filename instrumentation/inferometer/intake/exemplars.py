"""Exemplars of finished requests: observations that lead from a histogram to a trace."""

from collections.abc import Iterable

from inferometer.aggregate import Aggregator, Exemplar
from inferometer.aggregate.measures import points
from inferometer.catalog.index import series
from inferometer.otlp.writer import Note
from inferometer.record.model import RequestRecord
from inferometer.record.partition import Partition


def notes(record: RequestRecord, divided: Partition, wall_offset_ns: int) -> list[Note]:
    """Every observation of a request, whose clock is so far behind the wall's."""
    wall = record.end + wall_offset_ns
    return [
        Note(series=p.entry.name, labels=p.labels, value=p.value, trace_id=record.trace_id, wall_ns=wall)
        for p in points(record, divided)
    ]


def show(aggregator: Aggregator, noted: Iterable[Note]) -> None:
    """Show observations whose traces somebody has."""
    for note in noted:
        exemplar = Exemplar(trace_id=note.trace_id, value=note.value, wall_ns=note.wall_ns)
        aggregator.exemplar(series(note.series), note.labels, exemplar)
