"""Proofs of what is recorded of an objective: its counts are exact, whatever happens to the counters.

Three hours of requests at half of the budget, told in several ways: steadily, with a restart, with a gap in which
nobody scraped, with values that are no numbers, from late on, from late on with a past, without any bad event, and with
nothing new at all. Tiles must add up to what the counters rose, the budget must be what is left of it, and nothing may
become NaN. Then more than a period: what is older counts no more.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import ROUND_FLOOR, Decimal
from typing import Final

from inferometer import promql
from inferometer.catalog.labels import SLO
from inferometer.fleet import durations
from inferometer.fleet.slos import Slo, Source
from inferometer_alerts import recorded_slos, slo_labels, slo_rules, slo_series, slot_proofs
from inferometer_alerts.policy import DIRECT_NS, budget, legs
from inferometer_alerts.rule import Expect, Reading
from inferometer_alerts.rule_series import Recorded
from inferometer_alerts.samples import Kind, Phase

Labels = Callable[[Slo], Mapping[str, str]]

_RATE: Final = Decimal(10_000)
"""Events from one sample to the next."""
_MINUTES: Final = 180
_AT: Final = "3h"
_TO: Final = Decimal("0.0001")
_ROUNDS: Final = 120
"""In a period; a tile is then only a sample of it, and stands for the time until the next one."""
_MINUTE_NS: Final = durations.parse("1m")
_TILE_NS: Final = durations.parse(slo_rules.TILE)


def readings(slo: Slo) -> Iterator[Reading]:
    """What must be recorded of an objective, for one of its SLOs."""
    steady = Phase(_MINUTES + 1, _RATE)
    yield _reading(slo, "steady", [steady], _MINUTES, more=_burn_rates(slo))
    never = _burn_rates(slo, Decimal(0))
    yield _reading(slo, "never bad", [steady], _MINUTES, bad_share=Decimal(0), more=never)
    yield _still(slo)
    yield _period(slo)
    if slo.source is Source.SLOTS:
        yield from slot_proofs.readings(slo)
    else:
        yield from _counters(slo)


def _counters(slo: Slo) -> Iterator[Reading]:
    """What may happen to a counter."""
    # The process is gone right after minute 60, which is a tile's, and with it what it counted until 61.
    restarted = [Phase(61, _RATE), Phase(120, _RATE, Kind.RESTARTED)]
    yield _reading(slo, "restarted", restarted, _MINUTES - 1)
    gap = [Phase(58, _RATE), Phase(24, _RATE, Kind.MISSING), Phase(99, _RATE)]
    yield _reading(slo, "not scraped for 24 minutes", gap, _MINUTES)
    # Longer than what was before is looked for: 57 minutes, half a minute more than two at 105, and 75.
    long = [Phase(58, _RATE), Phase(45, _RATE, Kind.MISSING), Phase(78, _RATE)]
    yield _reading(slo, "not scraped for 45 minutes", long, Decimal("134.5"))
    # No tile is made at minute 90; the one at 95 has what came since.
    broken = [Phase(89, _RATE), Phase(2, _RATE, Kind.NO_NUMBER), Phase(90, _RATE)]
    yield _reading(slo, "no number for two minutes", broken, _MINUTES - 5)
    late = [Phase(32, _RATE, Kind.MISSING), Phase(149, _RATE, Kind.RESTARTED)]
    yield _reading(slo, "begins late", late, 148)
    # Its first tile has three minutes of samples; `increase()` adds half of the time between two.
    past = [Phase(32, _RATE, Kind.MISSING), Phase(149, _RATE)]
    yield _reading(slo, "is seen late", past, Decimal("148.5"))
    yield _broken_page(slo)


def promises(slos: Iterable[Slo]) -> Reading:
    """What every objective of every model promises is recorded; nobody has to ask for that."""
    every = tuple(slos)

    def expect(series: Recorded, value: Callable[[Slo], Decimal | int], more: Labels = lambda _: {}) -> Expect:
        elements = (({**slo_labels.labels(slo), **more(slo)}, _to(Decimal(value(slo)))) for slo in every)
        return Expect(series=series, at="1m", elements=tuple(elements), to=_TO)

    return Reading(
        name="what is promised",
        series={},
        expect=(
            expect(recorded_slos.SLO_INFO, lambda _: 1, slo_labels.promised),
            expect(recorded_slos.SLO_OBJECTIVE, lambda slo: 1 - budget(slo.objective)),
            expect(recorded_slos.SLO_BUDGET, lambda slo: budget(slo.objective)),
            expect(recorded_slos.SLO_PERIOD, lambda slo: slo.objective.window_ns // 10**9),
        ),
        step="1m",
        evaluation="1m",
    )


def _half(slo: Slo) -> Decimal:
    return budget(slo.objective) / 2


def _scaled(phases: Iterable[Phase], share: Decimal) -> list[Phase]:
    return [Phase(phase.samples, phase.rise * share, phase.kind) for phase in phases]


def _reading(
    slo: Slo,
    what: str,
    phases: Sequence[Phase],
    minutes: Decimal | int,
    *,
    bad_share: Decimal | None = None,
    more: tuple[Expect, ...] = (),
) -> Reading:
    """So many minutes of events must be counted, of which a share is bad: half of the budget unless given."""
    share = _half(slo) if bad_share is None else bad_share
    return Reading(
        name=f"{slo.name}: {what}",
        series=slo_series.inputs(slo, good=_scaled(phases, 1 - share), bad=_scaled(phases, share) if share else ()),
        expect=(*_counted(slo, _AT, _RATE * minutes, _RATE * minutes * share), *more),
        step="1m",
        evaluation=slo_rules.TILE,
    )


def _counted(slo: Slo, at: str, events: Decimal, bad: Decimal) -> tuple[Expect, ...]:
    left = 1 - bad / events / budget(slo.objective)
    return (
        _expect(slo, recorded_slos.SLO_EVENTS_PERIOD, at, events),
        _expect(slo, recorded_slos.SLO_BAD_PERIOD, at, bad),
        _expect(slo, recorded_slos.SLO_BUDGET_LEFT, at, left),
    )


def _expect(slo: Slo, series: Recorded, at: str, value: Decimal | int | None) -> Expect:
    elements = () if value is None else ((slo_labels.labels(slo), _to(Decimal(value))),)
    return Expect(series=series, at=at, elements=elements, only=(promql.equal(SLO, slo.name),), to=_TO)


def _to(value: Decimal) -> Decimal:
    return (value / _TO + Decimal("0.5")).to_integral_value(ROUND_FLOOR) * _TO


def _burn_rates(slo: Slo, value: Decimal = Decimal("0.5")) -> tuple[Expect, ...]:
    windows = sorted({window for leg in legs(slo.objective) for window in (leg.short_ns, leg.long_ns)})
    return tuple(
        _expect(slo, recorded_slos.burn_rate(durations.render(window)), _AT, value)
        for window in windows
        # With a sample a minute; shorter windows are the legs' proofs.
        if window >= 2 * _MINUTE_NS
    )


def _broken_page(slo: Slo) -> Reading:
    """A page without numbers beside good ones: what they say counts."""
    made = _reading(slo, "one page has no numbers", [Phase(_MINUTES + 1, _RATE)], _MINUTES, more=_burn_rates(slo))
    return replace(made, series={**made.series, **slo_series.broken(slo, _MINUTES + 1)})


def _still(slo: Slo) -> Reading:
    """Nobody asks: there is no burn rate and no budget used, rather than NaN."""
    nothing = [Phase(_MINUTES + 1, Decimal(0))]
    return Reading(
        name=f"{slo.name}: nobody asks",
        series=slo_series.inputs(slo, good=nothing, bad=nothing),
        expect=(
            _expect(slo, recorded_slos.SLO_EVENTS_PERIOD, _AT, 0),
            _expect(slo, recorded_slos.SLO_BAD_PERIOD, _AT, 0),
            _expect(slo, recorded_slos.SLO_BUDGET_LEFT, _AT, None),
            *(
                _expect(slo, recorded_slos.burn_rate(window), _AT, None)
                for leg in legs(slo.objective)
                for window in (leg.short, leg.long)
            ),
        ),
        step="1m",
        evaluation=slo_rules.TILE,
    )


def _period(slo: Slo) -> Reading:
    """A tenth of a period in which all is bad, then nothing is: half of it leaves the period, later all of it."""
    window = slo.objective.window_ns
    round_ns = max(window // _ROUNDS // _TILE_NS * _TILE_NS, _TILE_NS)
    bad_until = window // 10 // _TILE_NS
    every = window * 12 // 10 // _TILE_NS
    expect: list[Expect] = []
    for at_ns in (window // round_ns * round_ns, (window + window // 20) // round_ns * round_ns):
        inside = [at for at in range(round_ns, at_ns + 1, round_ns) if at > at_ns - window]
        bad = sum(at // _TILE_NS <= bad_until for at in inside)
        expect += _counted(slo, durations.render(at_ns), _RATE * len(inside), _RATE * bad)
    last_bad = bad_until * _TILE_NS // round_ns * round_ns
    for length in sorted({length for leg in legs(slo.objective) for length in (leg.short_ns, leg.long_ns)}):
        # As soon as the last bad round has left a window, none is in it; in a longer one it still would be.
        if length > DIRECT_NS and round_ns <= length:
            gone = durations.render(last_bad + -(-length // round_ns) * round_ns)
            expect.append(_expect(slo, recorded_slos.bad_events(durations.render(length)), gone, 0))
            expect.append(_expect(slo, recorded_slos.burn_rate(durations.render(length)), gone, 0))
    return Reading(
        name=f"{slo.name}: more than {durations.render(window)}",
        series=slo_series.inputs(
            slo,
            good=[Phase(bad_until, Decimal(0)), Phase(every - bad_until, _RATE)],
            bad=[Phase(bad_until, _RATE), Phase(every - bad_until, Decimal(0))],
        ),
        expect=tuple(expect),
        step=slo_rules.TILE,
        evaluation=durations.render(round_ns),
    )
