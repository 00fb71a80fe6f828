"""Times between tokens: a worker bins them by the sketch, here they become a histogram's values."""

from collections.abc import Iterable

from inferometer.aggregate.cells import HistogramCell


def observe_gaps(cell: HistogramCell, gaps: Iterable[tuple[int, int]], total: int) -> None:
    """Count times that are binned already.

    Bucket 0 holds tokens that were handed over together. Every classic boundary of the series is one of its sketch,
    so that each bucket lies in one classic bucket whole.

    Args:
        cell: of `catalog.requests.INTER_TOKEN`.
        gaps: (bucket, number); a bucket is an index into ``layout.bounds``, a higher one counts as the last.
        total: sum of the times, ns: from the first token to the last of each request.
    """
    layout = cell.layout
    last = len(layout.bounds) - 1
    sketch: dict[int, int] = {}
    classic: dict[int, int] = {}
    zero = 0
    for given, number in gaps:
        bucket = min(given, last)
        if bucket:
            sketch[bucket] = sketch.get(bucket, 0) + number
        else:
            zero += number
        place = layout.classic_index(layout.bounds[bucket])
        classic[place] = classic.get(place, 0) + number
    cell.observe_binned(sketch=sketch, classic=classic, total=total, zero=zero)
