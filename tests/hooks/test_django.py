"""Django under gunicorn and under uvicorn."""

import pytest

from inferometer.catalog.stages import Outcome, Stage
from inferometer.record.model import Flag
from inferometer.record.partition import partition

GUNICORN = ("-m", "gunicorn", "--bind", "127.0.0.1:{port}", "--log-level", "critical", "app_django:application")
UVICORN = ("-m", "uvicorn", "--port", "{port}", "--log-level", "critical", "--lifespan", "off")
SERVERS = [GUNICORN, (*UVICORN, "app_django:asynchronous")]


@pytest.fixture(scope="module", params=SERVERS, ids=["WSGI", "ASGI"])
def server(serve, request):
    return serve(*request.param)


def test_a_view_is_recorded_with_its_route(server):
    record = server.record("/predict/ranker", method="POST", body=b"12345")
    found = partition(record)

    assert (record.labels.method, record.labels.route, record.labels.model) == ("POST", "/predict/<str:name>", "ranker")
    assert (record.outcome, record.status, record.bytes_in) == (Outcome.OK, 200, 5)
    assert sum(found.totals) == record.duration_ns
    assert found.total(Stage.EXECUTE) >= 20_000_000
    assert server.record("/api/items/7").labels.route == "/api/items/<int:item>"


def test_streams_and_files_are_whole(server):
    stream, file = server.record("/stream"), server.record("/file")

    assert stream.flags & Flag.STREAM
    assert (stream.bytes_out, stream.outcome) == (30, Outcome.OK)
    assert (file.status, file.outcome) == (200, Outcome.OK)


@pytest.mark.parametrize(
    ("path", "status", "outcome"),
    [("/timeout", 500, Outcome.TIMEOUT), ("/missing", 404, Outcome.CLIENT_ERROR)],
)
def test_the_outcome_is_what_became_of_the_request(server, path, status, outcome):
    record = server.record(path)

    assert (record.status, record.outcome) == (status, outcome)
