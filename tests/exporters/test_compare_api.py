"""`/api/compare`: parameters only, refusals that say what is right."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from inferometer_exporters.api import Api
from inferometer_exporters.compare_api import asked, parameters
from inferometer_exporters.comparison.question import Question, Window

MOMENTS = st.lists(st.integers(0, 4_000_000_000 * 1000), min_size=4, max_size=4, unique=True).map(sorted)
NAMES = st.text(max_size=20)


@given(MOMENTS, st.booleans(), NAMES, NAMES, NAMES, st.floats(0, 1), st.integers(0, 2**32 - 1), st.booleans())
def test_what_is_sent_is_what_is_asked(moments, of_versions, service, model, tenant, least, seed, percentiles):
    first, second, third, fourth = (moment * 10**6 for moment in moments)
    before, after = Window(first, second), Window(third, fourth)
    versions = ("v1", "v2") if of_versions else None
    question = Question(
        before=before, after=before if of_versions else after, versions=versions, service=service, model=model,
        tenant=tenant, least=least, seed=seed, stage_percentiles=percentiles,
    )  # fmt: skip

    assert asked(parameters(question)) == question


@pytest.fixture(scope="module")
def bench(lasting_bench):
    """One for all: they only ask."""
    return lasting_bench


@pytest.fixture(scope="module")
def client(bench, make):
    now = bench.clock.now
    worker = make.worker()
    rows = [make.request(5 + i, now + i * make.MS, now + (i + 8) * make.MS, trace=i + 1) for i in range(300)]
    bench.do_pass(worker.arrival(now + 400 * make.MS, requests=rows), seconds=0.4)
    bench.do_pass(seconds=3)
    bench.do_pass(seconds=3)
    api = Api(bench.recorder.cursor, make.THRESHOLDS, healthy=lambda: True, wall_ns=bench.clock.wall)
    with TestClient(api.app()) as made:
        yield made


def test_two_windows_are_compared(client, bench, make):
    begin = (make.WALL + 1_000 * make.SECOND) / 1e9
    half = begin + 0.15

    answer = client.get(f"/api/compare?before={begin}..{half}&after={half}..{begin + 1}").json()

    (group,) = answer["models"]
    assert (group["service"], group["model"]) == ("embedder", "minilm")
    assert group["requests_before"] + group["requests_after"] == 300
    assert {one["verdict"] for one in group["lines"]} == {"too_few"}


def test_of_stages_the_means_alone_are_the_lines_that_all_have(client, make):
    begin = (make.WALL + 1_000 * make.SECOND) / 1e9
    half = begin + 0.15
    url = f"/api/compare?before={begin}..{half}&after={half}..{begin + 1}"

    (every,), (means,) = (client.get(f"{url}&stages={stages}").json()["models"] for stages in ("all", "mean"))

    percentiles = [line for line in every["lines"] if line["figure"].startswith("p") and line["measure"] != "whole"]
    assert percentiles
    assert means["lines"] == [line for line in every["lines"] if line not in percentiles]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("", "before is ''"),
        ("before=1..2", "after is ''"),
        ("before=1..2&after=2..x", "after is '2..x', BEGIN..END in seconds since the epoch is right"),
        ("before=2..1&after=3..4", "before is '2..1'"),
        ("before=1..nan&after=3..4", "before is '1..nan'"),
        ("before=1..1e300&after=3..4", "before is '1..1e300'"),
        ("before=1..3&after=2..4", "overlap"),
        ("versions=v1&within=1..2", "versions is 'v1', two different ones are right"),
        ("versions=v1,v1&within=1..2", "two different ones"),
        ("versions=v1,v2", "within is ''"),
        ("before=1..2&after=3..4&least=2", "least is '2'"),
        ("before=1..2&after=3..4&least=nan", "least is 'nan'"),
        ("before=1..2&after=3..4&seed=-1", "seed is '-1'"),
        ("before=1..2&after=3..4&stages=none", "stages is 'none', all or mean is right"),
    ],
)
def test_a_wrong_parameter_is_refused_by_name(client, query, message):
    answer = client.get(f"/api/compare?{query}")

    assert answer.status_code == 400
    assert message in answer.json()["error"]
