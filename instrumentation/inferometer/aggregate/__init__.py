"""Canonical series from records: counters, gauges and histograms by catalogue entry, and the pages that show them.

    aggregator = Aggregator(extra_bounds={requests.REQUEST_DURATION.name: (250_000_000,)})   # ns, exact `le`
    cell = aggregator.counter(requests.REQUESTS, labels)         # CounterCell, a handle: cell.add(1)
    cell = aggregator.gauge(requests.IN_FLIGHT, labels)          # GaugeCell: cell.set(3)
    cell = aggregator.histogram(requests.REQUEST_DURATION, labels)  # HistogramCell: cell.observe(value)
    cell.observe_binned(sketch={index: n}, classic={index: n}, total=value_sum)   # bulk, for columns
    cell.layout.bounds, cell.layout.lowest, cell.layout.classic  # integer bounds for np.searchsorted(side="left")
    aggregator.add(entry, labels, n); aggregator.set(entry, labels, v); aggregator.observe(entry, labels, v)
    aggregator.remove(entry, labels)
    aggregator.exemplar(entry, labels, Exemplar(trace_id=…, value=…, wall_ns=…))
    aggregator.dump() -> bytes; aggregator.load(bytes)
    snapshot = aggregator.snapshot(now_ns)                        # immutable, rendered by another thread
    Exposition(snapshots: Callable[[], Snapshot]).respond(accept, accept_encoding) -> Page(body, content_type, …)
    PageServer(exposition, host, port).start() / .close()

Values are integers in the entry's ``scale`` (ns, picodollars, microjoules); a gauge of scale 1 may be a float.
A label tuple has the order of ``entry.label_names``.
"""

from inferometer.aggregate.aggregator import Aggregator
from inferometer.aggregate.cells import CounterCell, GaugeCell, HistogramCell
from inferometer.aggregate.exact_bounds import exact_bounds
from inferometer.aggregate.exposition import Exposition, Page
from inferometer.aggregate.http import PageServer
from inferometer.aggregate.layout import Layout, layout_of
from inferometer.aggregate.measures import Point, measured, of_model, points
from inferometer.aggregate.requests import RequestCells, RequestMeter
from inferometer.aggregate.sample import Exemplar, Snapshot

__all__ = [
    "Aggregator",
    "CounterCell",
    "Exemplar",
    "Exposition",
    "GaugeCell",
    "HistogramCell",
    "Layout",
    "Page",
    "PageServer",
    "Point",
    "RequestCells",
    "RequestMeter",
    "Snapshot",
    "exact_bounds",
    "layout_of",
    "measured",
    "of_model",
    "points",
]
