"""What a pass makes of spans of others: rows of the recorder, requests with what belongs to them, counts."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from inferometer_exporters.columns.gather import Gathered
from inferometer_exporters.columns.tables import Columns, Ints, Mask, take
from inferometer_exporters.receivers import messages
from inferometer_exporters.receivers.engine_starts import Started
from inferometer_exporters.receivers.forward import Count
from inferometer_exporters.receivers.owners import Owned
from inferometer_exporters.receivers.passes import Took
from inferometer_exporters.receivers.span_tree import Batch

_MAX_NAME: Final = 200


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
    took: Sequence[Took] = ()
    """Parts of these requests in batches of their engines."""

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


def span_rows(batch: Batch, spans: Columns, owned: Owned, at: Ints) -> Columns:
    """Rows of the recorder's table `spans` for some of a batch.

    Args:
        batch: the spans.
        spans: their columns.
        owned: to which requests they belong.
        at: places of those that are stored.
    """
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
