"""What requests and devices cost."""

from typing import Final

_SPENT: Final = "if(sum(unpriced) = 0, sum(cost_usd), null)"
_BILL: Final = (
    "(select sum(bill_usd) from (select any_value(bill_usd) as bill_usd from device_time group by time, device))"
)
_IDLE: Final = (
    "(select sum(idle_usd) from (select any_value(idle_usd) as idle_usd from device_time group by time, device))"
)
_MARGINAL: Final = f"(select nullif({_SPENT}, 0) from cells)"  # noqa: S608 - constants
_ENTRIES: Final = "(select nullif(sum(requests) filter (entry), 0) from cells)"

PER_1K: Final = f"select 1000 * {_SPENT} / nullif(sum(requests) filter (entry), 0) as value from cells"  # noqa: S608 - constants
PER_1K_LOADED: Final = f"select 1000 * {_BILL} / {_ENTRIES} as value"
BILL_NOW: Final = """
    select sum(per_hour) as value from (
        select 3600 * sum(bill_usd) / sum(span_seconds) as per_hour from (
            select time, device, any_value(bill_usd) as bill_usd, any_value(span_seconds) as span_seconds
            from device_time group by all
        ) group by device
    )
"""
IDLE_NOW: Final = f"select {_IDLE} / nullif({_BILL}, 0) as value"

MODELS: Final = f"""
    with spent as (select service, model, 1000 * {_SPENT} / sum(requests) as usd, sum(device_seconds) as used
                   from cells group by all)
    select service, model, usd as "Marginal", usd * {_BILL} / {_MARGINAL} as "Loaded" from spent
    where used > 0 order by usd desc nulls last
"""  # noqa: S608 - constants
TENANTS: Final = f"""
    with spent as (
        select tenant, 1000 * {_SPENT} / nullif(sum(requests) filter (entry), 0) as usd from cells group by all
    )
    select tenant, usd as "Marginal", usd * {_BILL} / {_MARGINAL} as "Loaded" from spent
    where usd is not null order by usd desc
"""  # noqa: S608 - constants
MODELS_TENANTS: Final = f"""
    with spent as (
        select time, service, model, tenant, 1000 * {_SPENT} / sum(requests) as usd, sum(device_seconds) as used
        from cells group by all
    ),
    factors as (
        select time, any_value(bill) / nullif(sum(cost_usd), 0) as factor from cells join (
            select time, sum(bill_usd) as bill from (
                select time, device, any_value(bill_usd) as bill_usd from device_time group by all
            ) group by all
        ) using (time) group by all
    )
    select time, service, model, tenant, usd * factor as value from spent join factors using (time)
    where used > 0 order by all
"""  # noqa: S608 - constants
SPEND: Final = """
    select time, service, model, 3600 * sum(cost_usd) / any_value(lasted) as value from cells
    group by all having sum(device_seconds) > 0 order by all
"""
BILL: Final = """
    select time, device, 3600 * any_value(bill_usd) / any_value(span_seconds) as value from device_time
    group by all having value is not null order by all
"""
IDLE: Final = """
    select time, device, any_value(idle_usd) / nullif(any_value(bill_usd), 0) as value from device_time
    group by all having value is not null order by all
"""
PRICES: Final = """
    select device, price_source, price_as_of as as_of, price_kind, any_value(usd_per_hour) as "Per hour"
    from prices group by all order by device
"""
