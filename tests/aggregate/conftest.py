"""An aggregator with something of every kind."""

import pytest

from inferometer.aggregate import Aggregator, Exemplar, Exposition
from inferometer.catalog import requests, telemetry

VALUES = (0, 1, 1_000_000, 20_000_000, 250_000_000, 250_000_001, 10**12)
AWKWARD = ('s"v\\c', "100 %\nof it", "", "")


@pytest.fixture
def filled() -> Aggregator:
    aggregator = Aggregator(extra_bounds={requests.REQUEST_DURATION.name: (250_000_000,)})
    for value in VALUES:
        aggregator.observe(requests.REQUEST_DURATION, AWKWARD, value)
    aggregator.add(requests.COST, ("svc", "m", "", "", "acme", "execute", "ok", "sweep"), 2_500_000_000_000)
    aggregator.add(requests.REQUESTS, ("svc", "m", "", "", "acme", "", "ok", "true"), 7)
    aggregator.set(requests.IN_FLIGHT, ("svc", "eu"), 3)
    aggregator.set(telemetry.FRAME_LAG, (), 250_000_000)
    Exposition(aggregator.snapshot).respond().fetched()
    aggregator.settle()
    exemplar = Exemplar(trace_id=0xABC, value=20_000_000, wall_ns=1_700_000_000_125_000_000)
    aggregator.exemplar(requests.REQUEST_DURATION, AWKWARD, exemplar)
    return aggregator
