"""The evidence that right-sizing is judged by, from the recorder.

Minutes of devices reach back a month, requests a day: what is said of models is of the newest requests.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Final

from inferometer.catalog.stages import Kind
from inferometer.record.model import Flag
from inferometer_exporters.ledger.account import State
from inferometer_exporters.recorder.idle_query import SAID, idle_in
from inferometer_exporters.recorder.ledger_hours import Window, window
from inferometer_exporters.recorder.reading import SECOND, Cursor, rows
from inferometer_exporters.recorder.window_pieces import pieces
from inferometer_exporters.rightsizing.evidence import (
    FIVE_MINUTES_NS,
    DeviceEvidence,
    Fit,
    ModelEvidence,
    Stretch,
)

Promise = Callable[[str, str], float | None]
"""Seconds that fleet.yaml promises of a service's model; None where it promises none."""
_LEAST_RUNS: Final = 50
"""Runs of one model, and sizes of batch, from which a line is drawn through their times."""
_LEAST_SIZES: Final = 3
_SHORTEST: Final = 0.5
"""Part of five minutes that must be known for their mean to count."""
_MINUTES: Final = """
    select names.name, sum(span_ns)::bigint, sum(used_ns)::bigint, sum(requests)::bigint,
           quantile_disc(utilization, 0.95), avg(sm_active), avg(tensor_active), avg(dram_active),
           max(memory_used), max(memory_total), avg(power),
           sum(throttled_ns) / nullif(sum(span_ns) filter (throttled_ns is not null), 0), min(m.wall_ns)
    from device_minutes m join names on names.id = m.device where m.wall_ns >= $since group by names.name order by 1
"""
_STRETCHES: Final = f"""
    select names.name, m.wall_ns // {FIVE_MINUTES_NS} as number, sum(used_ns) / sum(span_ns),
           sum(requests) * {SECOND} / sum(span_ns)
    from device_minutes m join names on names.id = m.device where m.wall_ns >= $since
    group by all having sum(span_ns) >= {int(_SHORTEST * FIVE_MINUTES_NS)}
"""  # noqa: S608 - constants
_ACCOUNTS: Final = f"""
    select names.name, kind, model, picodollars_per_hour, price_kind, price_source
    from ledger join names on names.id = ledger.device where ledger.pass = $last and state = '{State.ATTRIBUTED}'
"""  # noqa: S608 - constants
_RUNS: Final = f"""
    with parts as (
        select span_id, execute_id, pass, device, device_ns from execute_parts where pass > $after and pass <= $last
        union all
        select span_id, execute_id, pass, device, device_ns from executes
        anti join execute_parts using (span_id, execute_id, pass) where pass > $after and pass <= $last
    ),
    runs as (
        select parts.device, parts.device_ns, e.execute_id, e.batch_size, e.kind, e.end_ns - e.start_ns as took,
               r.process, r.span_id, r.duration_ns, r.queue_ns, r.execute_ns, r.deserialize_ns, r.serialize_ns,
               coalesce(l.service, '') as service, coalesce(nullif(l.model, ''), l.route, '') as model,
               coalesce(l.version, '') as version, r.flags & {int(Flag.WARMUP)} != 0 as warm
        from parts join executes e using (span_id, execute_id, pass)
        join requests r on r.span_id = e.span_id and r.pass = e.pass left join labels l on l.id = r.labels
    )
"""  # noqa: S608 - constants
_MODELS: Final = f"""
    {_RUNS}, hops as (
        select device, service, model, version, span_id, sum(device_ns) as device_ns, any_value(duration_ns) as took,
               any_value(queue_ns) as queued, any_value(execute_ns) as executed,
               any_value(deserialize_ns + serialize_ns) as coded
        from runs where not warm group by all
    )
    select names.name, service, model, version, sum(device_ns)::bigint, count(*),
           quantile_disc(took, 0.95), sum(queued)::bigint, sum(executed)::bigint, sum(coded)::bigint, sum(took)::bigint
    from hops join names on names.id = hops.device group by all order by 5 desc
"""  # noqa: S608 - constants
# A process that served several models on a device tells nothing of any of them.
_PEAKS: Final = f"""
    {_RUNS}, served as (
        select runs.device, pid, any_value(runs.service) as service, any_value(model) as model,
               any_value(version) as version
        from runs join processes on processes.id = runs.process group by runs.device, pid
        having count(distinct [runs.service, model, version]) = 1
    ),
    held as (
        select served.device, service, model, version, wall_ns, sum(memory_used) as used
        from served join process_peaks as peaks on peaks.device = served.device and peaks.pid = served.pid
        where wall_ns >= $since group by all
    )
    select names.name, service, model, version, max(used)::bigint
    from held join names on names.id = held.device group by all
"""  # noqa: S608 - constants
_FITS: Final = f"""
    {_RUNS}, whole as (
        select device, service, model, version, execute_id, max(batch_size)::double as size, max(took)::double as took
        from runs where not warm group by all
    )
    select names.name, service, model, version, regr_intercept(took, size), regr_slope(took, size),
           regr_r2(took, size), count(*), avg(size), max(size)::bigint
    from whole join names on names.id = whole.device group by all
    having count(*) >= {_LEAST_RUNS} and count(distinct size) >= {_LEAST_SIZES}
"""  # noqa: S608 - constants
_PHASES: Final = f"""
    {_RUNS} select names.name, sum(device_ns) filter (kind = {int(Kind.PREFILL)}),
                   sum(device_ns) filter (kind = {int(Kind.DECODE)})
    from runs join names on names.id = runs.device group by 1
"""  # noqa: S608 - constants


def evidence(
    cursor: Cursor, *, since_ns: int, promise: Promise, cold_start_ns: int | None = None
) -> tuple[int, int, list[DeviceEvidence]] | None:
    """What is known of every device over the newest *since_ns*; None where nothing was entered yet.

    Returns:
        Begin and end of what is known (wall ns), and the evidence by device.
    """
    whole = window(cursor)
    if whole is None:
        return None
    since = whole.end_ns - since_ns
    found = rows(cursor, _MINUTES, since=since)
    recent = window(cursor, since_ns) or whole
    gaps = {device["device"]: device for device in idle_in(cursor, recent, cold_start_ns)["devices"]}
    recent = _newest(cursor, recent)
    stretches: dict[str, dict[int, Stretch]] = defaultdict(dict)
    for device, number, busy, rate in rows(cursor, _STRETCHES, since=since):
        stretches[device][number] = Stretch(busy=busy, requests_per_second=rate)
    accounts = {device: tuple(rest) for device, *rest in rows(cursor, _ACCOUNTS, last=whole.last)}
    phases = {device: _share(*rest) for device, *rest in rows(cursor, _PHASES, **_passes(recent))}
    models = _models(cursor, recent, since, promise, {row[0]: row[8] for row in found})
    devices = []
    for device, span, used, requests, use, sm, tensor, dram, memory, total, power, throttled, _ in found:
        if device not in accounts:
            # Not billed: a recording, or hardware that is gone.
            continue
        kind, hardware, price, price_kind, source = accounts[device]
        stop = gaps[device]["scale_to_zero"] if device in gaps else None
        devices.append(
            DeviceEvidence(
                device=device,
                kind=kind or "",
                hardware=hardware or "",
                usd_per_hour=None if price is None else price / 1e12,
                price_kind=price_kind or "",
                price_source=source or "",
                observed_ns=span,
                used_ns=used,
                requests=requests,
                stretches=stretches[device],
                utilization_p95=use,
                sm_active=sm,
                tensor_active=tensor,
                dram_active=dram,
                memory_peak_bytes=memory,
                memory_total_bytes=total,
                power_watts=power,
                throttled_ratio=throttled,
                prefill_ratio=phases.get(device),
                models=models.get(device, ()),
                idle_saved_per_month=stop["per_month_usd"] if stop else None,
                cold_start_seconds=stop["cold_start_seconds"] if stop else None,
                cold_start_said=stop is not None and stop["cold_start_source"] == SAID,
                idle_gaps=stop["gaps"] if stop else 0,
            )
        )
    begin = min((row[-1] for row in found), default=whole.end_ns)
    return max(begin, since), whole.end_ns, devices


def _newest(cursor: Cursor, window: Window) -> Window:
    """The part of a window that has its newest requests, about `PIECE` of them: enough to know models by."""
    return replace(window, after=pieces(cursor, window)[-1]["since"])


def _passes(window: Window) -> dict[str, int]:
    return {"after": window.after, "last": window.last}


def _share(prefill: Any, decode: Any) -> float | None:
    whole = (prefill or 0) + (decode or 0)
    return (prefill or 0) / whole if whole else None


def _models(
    cursor: Cursor, recent: Window, since: int, promise: Promise, peaks: dict[str, int | None]
) -> dict[str, Sequence[ModelEvidence]]:
    fits = {(device, *names): fit for device, *names, fit in _fits(cursor, recent)}
    held = {tuple(named): peak for *named, peak in rows(cursor, _PEAKS, since=since, **_passes(recent))}
    found: dict[str, list[tuple[Any, ...]]] = defaultdict(list)
    for device, *row in rows(cursor, _MODELS, **_passes(recent)):
        found[device].append(tuple(row))
    return {
        device: [
            # Where a model is alone on a device, all that is held there is its own.
            _model(
                row,
                fits.get((device, *row[:3])),
                held.get((device, *row[:3])) or (peaks.get(device) if len(mine) == 1 else None),
                promise,
            )
            for row in mine
        ]
        for device, mine in found.items()
    }


def _fits(cursor: Cursor, recent: Window) -> Iterator[tuple[Any, ...]]:
    for device, service, model, version, *figures in rows(cursor, _FITS, **_passes(recent)):
        t0, beta, r2, runs, mean, largest = figures
        if r2 is not None:
            fit = Fit(
                t0_seconds=t0 / SECOND,
                beta_seconds=beta / SECOND,
                r2=r2,
                runs=runs,
                mean_size=mean,
                largest=largest,
            )
            yield device, service, model, version, fit


def _model(row: tuple[Any, ...], fit: Fit | None, peak: int | None, promise: Promise) -> ModelEvidence:
    service, model, version, device_ns, requests, p95, queued, executed, coded, took = row
    return ModelEvidence(
        service=service,
        model=model,
        version=version,
        device_ns=device_ns,
        requests=requests,
        p95_seconds=None if p95 is None else p95 / SECOND,
        queue_ratio=queued / executed if executed else None,
        codec_ratio=coded / took if took else None,
        fit=fit,
        memory_peak_bytes=peak,
        slo_seconds=promise(service, model),
    )
