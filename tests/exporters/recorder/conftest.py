"""Work for a recorder that is only asked."""

import pytest


def _worked(bench, make, *, passes):
    """Ten minutes for each pass, with three requests on the host and on a GPU without a price; whose they were."""
    worker, ids = make.worker(), make.ids()
    for _ in range(passes):
        now = bench.clock.now
        spans = [next(ids) for _ in range(3)]
        frame = worker.arrival(
            now + 600 * make.SECOND,
            requests=[make.request(span, now, now + 700 * make.MS, shape=1 + span % 3, trace=span) for span in spans],
            executes=[make.execute(span, now, now + 7 * span * make.MS, device=1 + 3 * (span % 2)) for span in spans],
        )
        bench.do_pass(frame, seconds=600)
    return worker


@pytest.fixture(scope="session")
def worked():
    return _worked
