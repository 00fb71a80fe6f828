"""Tables of a view that are made of the ledger."""

from inferometer.fleet.thresholds import PICODOLLARS
from inferometer_exporters.ledger.account import State
from inferometer_exporters.recorder.reading import SECOND, rows
from inferometer_exporters.recorder.view_steps import Steps


def device_time(steps: Steps) -> None:
    """Make `device_time`: of each step the ledger's last entry, less the one before it."""
    step, since, until = steps.span.step_ns, steps.span.since_ns, steps.span.until_ns
    found = rows(
        steps.cursor,
        f"""
        select max(pass) from ledger
        where state = '{State.ATTRIBUTED}' and wall_ns >= {since} and wall_ns < {until} group by wall_ns // {step}
        union select max(pass) from ledger where state = '{State.ATTRIBUTED}' and wall_ns < {since}
        """,  # noqa: S608 - numbers and constants
    )
    passes = ", ".join(str(int(number)) for (number,) in found if number is not None) or "0"
    steps.do(
        f"""
        create or replace temp table device_time as
        with entries as (
            select names.name as device, state, wall_ns // {step} as bucket, max(wall_ns) as moment, max(ns) as ns,
                   max(span_ns) as span_ns, max(bill) as bill, max(idle_cost) as idle,
                   bool_and(picodollars_per_hour is not null) as priced
            from ledger join names on names.id = device where ledger.pass in ({passes}) group by all
        ),
        compared as (
            select *, lag(moment) over account as moment_before, lag(ns) over account as ns_before,
                   lag(span_ns) over account as span_before, lag(bill) over account as bill_before,
                   lag(idle) over account as idle_before
            from entries window account as (partition by device, state order by moment)
        ),
        -- An account that began anew begins at 0, and so does one that began in this time.
        passed as (
            select *, ns - if(span_ns < span_before, 0, coalesce(ns_before, 0)) as spent,
                   span_ns - if(span_ns < span_before, 0, coalesce(span_before, 0)) as spanned,
                   bill - if(span_ns < span_before, 0, coalesce(bill_before, 0)) as billed,
                   idle - if(span_ns < span_before, 0, coalesce(idle_before, 0)) as idled
            from compared
            where (moment_before is not null or moment - span_ns >= {since - SECOND}) and bucket >= {since // step}
        )
        select {steps.time}, device, state, spent / {SECOND} as seconds, spanned / {SECOND} as span_seconds,
               if(priced, billed / {PICODOLLARS}::DOUBLE, null) as bill_usd,
               if(priced, idled / {PICODOLLARS}::DOUBLE, null) as idle_usd
        from passed
        """  # noqa: S608 - numbers
    )


def prices(steps: Steps) -> None:
    """Make `prices`: as the ledger's newest entry has them."""
    steps.do(
        f"""
        create or replace temp table prices as
        select names.name as device, picodollars_per_hour / {PICODOLLARS}::DOUBLE as usd_per_hour, price_kind,
               price_source, price_as_of
        from ledger join names on names.id = device
        where state = '{State.ATTRIBUTED}' and ledger.pass = (select max(pass) from ledger)
        """  # noqa: S608 - constants
    )
