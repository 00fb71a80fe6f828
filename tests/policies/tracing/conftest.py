"""Requests and OpenTelemetry in one process."""

import pytest
from traced_bench import Bench


@pytest.fixture
def bench():
    made = []

    def make(*args, **kwargs):
        made.append(Bench(*args, **kwargs))
        return made[-1]

    yield make
    for one in made:
        assert one.worker.hooks.errors() == {}
        one.close()
