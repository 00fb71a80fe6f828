"""Whatever an objective asks, SQL and `Objective.judge` answer the same."""

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inferometer.catalog.stages import Outcome
from inferometer.fleet.thresholds import Objective, Sli
from inferometer_exporters.recorder.verdicts import verdicts

THRESHOLD = 100
REQUESTS = st.lists(
    st.tuples(st.sampled_from(list(Outcome)), st.integers(0, 200), st.none() | st.integers(0, 200)), max_size=30
)


@pytest.fixture(scope="module")
def database():
    cursor = duckdb.connect()
    yield cursor
    cursor.close()


@pytest.mark.parametrize("sli", [Sli.AVAILABILITY, Sli.LATENCY, Sli.TIME_TO_FIRST_CHUNK])
@given(requests=REQUESTS)
def test_sql_judges_as_one_request_is_judged(database, sli, requests):
    objective = Objective(
        slo="o", service="s", model="m", name="o", sli=sli, target="99", window_ns=1,
        threshold_ns=None if sli is Sli.AVAILABILITY else THRESHOLD,
    )  # fmt: skip
    asked = verdicts(objective)
    columns = [list(column) for column in zip(*requests, strict=True)] or [[], [], []]
    sql = f"""
        select count(*) filter ({asked.good}), count(*) filter ({asked.bad}) from (
            select unnest(?::utinyint[]) as outcome, unnest(?::bigint[]) as duration_ns,
                   unnest(?::bigint[]) as first_chunk_ns
        )
    """  # noqa: S608 - constants
    found = database.execute(sql, columns).fetchall()

    judged = [objective.judge(*row) for row in requests]
    assert found == [(judged.count(True), judged.count(False))]
