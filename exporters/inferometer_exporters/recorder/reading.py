"""What all questions to the recorder share."""

from typing import Any, Final

import duckdb

from inferometer.catalog.stages import Outcome
from inferometer.record.model import Flag

Cursor = duckdb.DuckDBPyConnection
SECOND: Final = 10**9
OUTCOMES: Final = {int(outcome): outcome.label for outcome in Outcome}

NAMED: Final = f"""
    select requests.* exclude (method), requests.method as cost_method, labels.service,
           coalesce(nullif(labels.model, ''), labels.route) as model, labels.version, labels.tenant, labels.class,
           labels.method, labels.route
    from requests left join labels on labels.id = requests.labels
    where requests.wall_ns >= $since and (requests.flags & {int(Flag.WARMUP)}) = 0
"""  # noqa: S608 - no value from outside is in the text
"""Requests since ``$since`` (wall ns) with their names; warm-up requests are left out.

``method`` is the one of HTTP; how the device time was found is ``cost_method``.
"""


def rows(cursor: Cursor, sql: str, **values: object) -> list[tuple[Any, ...]]:
    """All rows of a statement."""
    found: list[tuple[Any, ...]] = cursor.execute(sql, values).fetchall()
    return found
