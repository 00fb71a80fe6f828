"""Good and bad requests of every objective by minute, for longer than requests are kept: a budget lasts a month.

Of requests that are there they are counted when somebody asks. When the recorder forgets requests it keeps the counts,
by labels and device, as the objectives judged them by then.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from inferometer.fleet.objective import Objective, Sli
from inferometer_exporters.recorder.reading import NAMED, Cursor, rows
from inferometer_exporters.recorder.verdicts import verdicts

MINUTE_NS: Final = 60 * 10**9
KEPT_NS: Final = 92 * 24 * 60 * MINUTE_NS
"""The longest window of an objective, and a day or two."""
MOST_ROWS: Final = 4_000_000
"""Some 40 MB; with ten sets of labels a minute a month. Beyond it the oldest tenth goes."""
_TRIMMED: Final = 0.1
_SEEN_OPEN: Final = frozenset({Sli.LATENCY, Sli.TIME_TO_FIRST_CHUNK, Sli.TIME_TO_FIRST_TOKEN})
"""Limits that a request crosses while it is open; others are known at its end only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Minutes:
    """What counted for one objective, by minute since the epoch; minutes without a request are left out."""

    minutes: list[int]
    events: list[int]
    bad: list[int]


def counted(objective: Objective, where: str = "true") -> str:
    """SQL of each request that counts: ``counted_ns`` (since the epoch), ``minute``, ``good``, ``bad`` and its columns.

    A request counts when it ends, a slow one when it crosses the threshold: so does ``inference_slo_events_total``.

    Args:
        objective: that judges.
        where: further condition on `reading.NAMED`.
    """
    asked = verdicts(objective)
    crossed = [str(limit.ns) for limit in objective.limits if limit.sli in _SEEN_OPEN and limit.stage is None]
    bad_ns = f"least({', '.join(('duration_ns', *crossed))})"
    return f"""
        select *, counted_ns // {MINUTE_NS} as minute from (
            select *, wall_ns + case when bad then {bad_ns} else duration_ns end as counted_ns
            from (select *, {asked.good} as good, {asked.bad} as bad from ({NAMED}) where {asked.about} and {where})
            where good or bad
        )
    """  # noqa: S608 - made of numbers and parameters


def keep(cursor: Cursor, objectives: Iterable[Objective], last: int, wall_ns: int) -> None:
    """Keep the counts of requests that are about to be deleted; in the transaction that deletes them.

    Args:
        cursor: of the writer.
        objectives: that judge them.
        last: the newest pass that goes.
        wall_ns: now; what is older than `KEPT_NS` goes as well.
    """
    present = set(rows(cursor, _PRESENT, last=last))
    for objective in objectives:
        if (objective.service, objective.model) in present:
            _keep(cursor, objective, last)
    rows(cursor, "delete from slo_minutes where wall_ns < $oldest", oldest=wall_ns - KEPT_NS)
    if rows(cursor, "select count(*) from slo_minutes")[0][0] > MOST_ROWS:
        oldest = rows(cursor, "select quantile_disc(wall_ns, $part) from slo_minutes", part=_TRIMMED)[0][0]
        rows(cursor, "delete from slo_minutes where wall_ns <= $oldest", oldest=oldest)


_PRESENT: Final = """
    select distinct service, coalesce(nullif(model, ''), route) from labels
    where id in (select distinct labels from requests where pass <= $last)
"""


def _keep(cursor: Cursor, objective: Objective, last: int) -> None:
    asked = verdicts(objective)
    fresh = f"""
        select minute * {MINUTE_NS} as wall_ns, labels, device, count(*) filter (good) as good,
               count(*) filter (bad) as bad
        from ({counted(objective, "pass <= $last")}) group by all
    """  # noqa: S608 - made of numbers and parameters
    found = rows(cursor, fresh, since=0, last=last, **asked.values)
    if not found:
        return
    # A minute is deleted in several steps: one row remains of them.
    first = min(row[0] for row in found)
    merged: dict[tuple[int, int, int], list[int]] = {}
    stored = rows(cursor, _STORED, slo=objective.slo, first=first)
    for wall_ns, labels, device, good, bad in (*stored, *found):
        sums = merged.setdefault((wall_ns, labels, device), [0, 0])
        sums[0] += good
        sums[1] += bad
    rows(cursor, "delete from slo_minutes where slo = $slo and wall_ns >= $first", slo=objective.slo, first=first)
    columns = list(zip(*((*key, *sums) for key, sums in merged.items()), strict=True))
    rows(cursor, _INSERT, last=last, slo=objective.slo, **dict(zip("abcde", map(list, columns), strict=True)))


_STORED: Final = "select wall_ns, labels, device, good, bad from slo_minutes where slo = $slo and wall_ns >= $first"
_INSERT: Final = """
    insert into slo_minutes
    select $last, unnest($a::bigint[]), $slo, unnest($b::uinteger[]), unnest($c::uinteger[]), unnest($d::uinteger[]),
           unnest($e::uinteger[])
"""


def minutes(cursor: Cursor, objective: Objective, *, since_ns: int = 0) -> Minutes:
    """What counted since a moment (wall ns), of requests that are kept and of those that were.

    Args:
        cursor: of the recorder.
        objective: that judges; what was deleted is as it was judged by then.
        since_ns: of the moment when it counted.
    """
    sql = f"""
        select minute, sum(events)::bigint, sum(bad)::bigint from (
            select minute, count(*) as events, count(*) filter (bad) as bad
            from ({counted(objective)}) where counted_ns >= $from group by 1
            union all
            select wall_ns // {MINUTE_NS}, good + bad, bad from slo_minutes where slo = $slo and wall_ns >= $from
        ) group by 1 order by 1
    """  # noqa: S608 - made of numbers and parameters
    # A request that counted since then may have begun long before.
    found = rows(cursor, sql, **{"since": 0, "from": since_ns, "slo": objective.slo}, **verdicts(objective).values)
    by_minute, events, bad = (list(column) for column in zip(*found, strict=True)) if found else ([], [], [])
    return Minutes(minutes=by_minute, events=events, bad=bad)


def last_ns(cursor: Cursor) -> int:
    """The last moment (wall ns) of which the recorder knows; 0 where it is empty."""
    sql = "select max(wall_ns) from (select wall_ns from ledger union all select wall_ns + duration_ns from requests)"
    return int(rows(cursor, sql)[0][0] or 0)


def watched(cursor: Cursor, *, since_ns: int = 0) -> list[tuple[int, int]]:
    """Stretches of minutes since the epoch (first, last) in which a sidecar wrote this recorder."""
    sql = f"""
        select distinct wall_ns // {MINUTE_NS} from (
            select wall_ns from device_minutes union all select wall_ns from ledger
            union all select wall_ns from requests
        ) where wall_ns >= $since order by 1
    """  # noqa: S608 - a constant
    return stretches([row[0] for row in rows(cursor, sql, since=since_ns)])


def stretches(sorted_minutes: Sequence[int]) -> list[tuple[int, int]]:
    """First and last of each run of numbers that follow each other."""
    found: list[tuple[int, int]] = []
    for minute in sorted_minutes:
        if found and minute == found[-1][1] + 1:
            found[-1] = (found[-1][0], minute)
        else:
            found.append((minute, minute))
    return found
