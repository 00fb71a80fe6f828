"""Whatever an objective asks, SQL and `Objective.judge` answer the same."""

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inferometer.catalog.stages import Outcome, Stage
from inferometer.fleet.objective import Objective, Sli, Times
from inferometer.record.model import per_output_token
from inferometer_exporters.recorder.verdicts import verdicts

THRESHOLD = 100
TIME = st.integers(0, 200)
REQUESTS = st.lists(
    st.tuples(
        st.sampled_from(list(Outcome)), TIME, st.none() | TIME, st.none() | st.integers(1, 200), st.none() | TIME,
        st.integers(0, 4), TIME, st.sampled_from(["", "acme", "other"]), st.sampled_from(["v1", "v2"]),
        st.sampled_from(["", "batch"]),
    ),
    max_size=30,
)  # fmt: skip
COLUMNS = {
    "outcome": "utinyint", "duration_ns": "bigint", "first_chunk_ns": "bigint", "first_token_ns": "bigint",
    "last_token_ns": "bigint", "tokens_out": "uinteger", "queue_ns": "bigint", "tenant": "varchar",
    "version": "varchar", "class": "varchar",
}  # fmt: skip
ASKED = {
    "availability": {"sli": Sli.AVAILABILITY},
    "latency": {"sli": Sli.LATENCY, "threshold_ns": THRESHOLD},
    "a stage": {"sli": Sli.LATENCY, "threshold_ns": THRESHOLD, "stage": Stage.QUEUE},
    "first chunk": {"sli": Sli.TIME_TO_FIRST_CHUNK, "threshold_ns": THRESHOLD},
    "first token": {"sli": Sli.TIME_TO_FIRST_TOKEN, "threshold_ns": THRESHOLD},
    "per token": {"sli": Sli.TIME_PER_OUTPUT_TOKEN, "threshold_ns": 20},
    "goodput": {
        "sli": Sli.GOODPUT,
        "within": ((Sli.TIME_TO_FIRST_TOKEN, THRESHOLD), (Sli.TIME_PER_OUTPUT_TOKEN, 20), (Sli.LATENCY, 150)),
    },
    "of a tenant": {"sli": Sli.AVAILABILITY, "tenant": "acme"},
    "of a version and a class": {"sli": Sli.GOODPUT, "version": "v2", "request_class": "batch"},
}


@pytest.fixture(scope="module")
def database():
    cursor = duckdb.connect()
    yield cursor
    cursor.close()


@pytest.mark.parametrize("asked", ASKED.values(), ids=ASKED.keys())
@given(requests=REQUESTS)
def test_sql_judges_as_one_request_is_judged(database, asked, requests):
    given_ = {"threshold_ns": None, **asked}
    objective = Objective(slo="o", service="s", model="m", name="o", target="99", window_ns=1, **given_)
    sql_of = verdicts(objective)
    columns = [list(column) for column in zip(*requests, strict=True)] or [[] for _ in COLUMNS]
    unnested = ", ".join(f"unnest(${name}::{kind}[]) as {name}" for name, kind in COLUMNS.items())
    sql = f"""
        select count(*) filter ({sql_of.good}), count(*) filter ({sql_of.bad})
        from (select 's' as service, 'm' as model, {unnested.replace("$", "$of_")}) where {sql_of.about}
    """  # noqa: S608 - constants
    values = {f"of_{name}": column for name, column in zip(COLUMNS, columns, strict=True)}
    found = database.execute(sql, values | sql_of.values).fetchall()

    judged = [one for request in requests if (one := judge(objective, *request)) != "not asked"]
    assert found == [(judged.count(True), judged.count(False))]


def judge(objective, outcome, duration, chunk, token, last, tokens, queue, tenant, version, request_class):
    if not objective.covers(tenant=tenant, version=version, request_class=request_class):
        return "not asked"
    end = duration if last is None else last
    stages = [0] * (len(Stage) + 1)
    stages[Stage.QUEUE] = queue
    each = None if token is None else per_output_token(token, end, tokens)
    return objective.judge(outcome, Times(duration, chunk, token, each, stages))
