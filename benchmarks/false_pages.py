"""How often a healthy service wakes somebody in 30 days: our policy, and the windows of Sloth and of Pyrra.

``python benchmarks/false_pages.py [--months 100] [--seed 7]``

Requests come at random (Poisson) and fail independently of each other, at half of the budget: nothing is wrong. Every
30 seconds each policy's conditions are evaluated on exact counts. A page is a condition that begins to hold; what comes
back within five minutes, which Alertmanager would not send again, is the same page. Sloth: 14.4 over 1h and 5m, 6 over
6h and 30m. Pyrra over 28 days: 14 over 1h and 5m for 2m, 7 over 6h and 30m for 15m. Target: ours at most 0.2 a month.

Idealised in that ``increase()`` is exact; what the real engine makes of the rules is the business of the generated
proofs and of tests/peers.
"""

import argparse
import sys
from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from inferometer.fleet import durations
from inferometer.fleet.model import ObjectiveSpec
from inferometer.fleet.thresholds import Sli
from inferometer_alerts.policy import budget, legs
from inferometer_alerts.rule import Severity

TARGET = 0.2
STEP_SECONDS = 30
MONTH_STEPS = 30 * 86_400 // STEP_SECONDS
SAME_PAGE_STEPS = 300 // STEP_SECONDS
OBJECTIVES = ("90", "95", "99", "99.9", "99.99")
PER_HOUR = (2, 60, 600, 60_000)


@dataclass(frozen=True, slots=True)
class Pair:
    """A page condition: bad ratio above a limit in both windows (in steps), enough bad events, held for some steps."""

    limit: float
    long: int
    short: int
    min_bad: int = 0
    held: int = 0


def ours(spec):
    """The legs of our policy that page."""
    share = budget(spec)
    return [
        Pair(float(leg.ratio(share)), steps(leg.long_ns), steps(leg.short_ns), leg.min_bad_events)
        for leg in legs(spec)
        if leg.severity is Severity.PAGE
    ]


def classic(share, rows):
    """Rows of (factor, long, short, for) as others have them."""
    return [
        Pair(
            factor * share, *(steps(durations.parse(text)) for text in (long, short)), held=steps(durations.parse(held))
        )
        for factor, long, short, held in rows
    ]


def steps(nanoseconds):
    """Steps of a time."""
    return nanoseconds // (STEP_SECONDS * 10**9)


def rolling(summed, window):
    """Sums over the last *window* steps, at every step after the first."""
    before = np.concatenate([np.zeros((summed.shape[0], window), summed.dtype), summed[:, :-window]], axis=1)
    return (summed - before)[:, 1:]


def pages(events, bad, pairs):
    """Pages of some months: cumulated *events* and *bad* events, one row a month."""
    firing = np.zeros((events.shape[0], events.shape[1] - 1), bool)
    for pair in pairs:
        holds = rolling(bad, pair.long) >= max(pair.min_bad, 1)
        for window in (pair.long, pair.short):
            holds &= rolling(bad, window) > pair.limit * rolling(events, window)
        if pair.held:
            # Held without a break for so many steps.
            run = np.cumsum(
                np.concatenate([np.zeros((len(holds), 1), np.int32), holds], axis=1, dtype=np.int32), axis=1
            )
            long_enough = np.zeros_like(holds)
            long_enough[:, pair.held :] = run[:, pair.held + 1 :] - run[:, : -pair.held - 1] == pair.held + 1
            holds = long_enough
        firing |= holds
    number = 0
    for month in firing:
        at = np.flatnonzero(month)
        number += int(len(at) > 0) + int(np.count_nonzero(np.diff(at) > SAME_PAGE_STEPS))
    return number


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--months", type=int, default=100)
    parser.add_argument("--seed", type=int, default=7)
    args = parser.parse_args()
    random = np.random.default_rng(args.seed)
    print(f"pages in 30 days of a healthy service, mean of {args.months} simulated months, seed {args.seed}")
    print(f"{'objective':<11}{'requests/h':>11}{'ours':>9}{'Sloth':>9}{'Pyrra':>9}")
    worst = 0.0
    for target in OBJECTIVES:
        spec = ObjectiveSpec(
            name="available", sli=Sli.AVAILABILITY, target=Decimal(target), window_ns=durations.parse("30d")
        )
        share = float(budget(spec))
        policies = (
            ours(spec),
            classic(share, ((14.4, "1h", "5m", "0s"), (6, "6h", "30m", "0s"))),
            classic(share, ((14, "1h", "5m", "2m"), (7, "6h", "30m", "15m"))),
        )
        for per_hour in PER_HOUR:
            found = np.zeros(3)
            for _ in range(0, args.months, 10):
                months = min(10, args.months)
                arrived = random.poisson(per_hour * STEP_SECONDS / 3_600, (months, MONTH_STEPS))
                failed = random.binomial(arrived, share / 2)
                events, bad = (
                    np.concatenate([np.zeros((months, 1), np.int64), np.cumsum(one, axis=1)], axis=1)
                    for one in (arrived, failed)
                )
                found += [pages(events, bad, pairs) for pairs in policies]
            rates = found / (-(-args.months // 10) * min(10, args.months))
            worst = max(worst, rates[0])
            print(f"{target + ' %':<11}{per_hour:>11,}" + "".join(f"{rate:>9.2f}" for rate in rates), flush=True)
    print(f"worst of ours {worst:.2f} (target {TARGET})")
    return 0 if worst <= TARGET else 1


if __name__ == "__main__":
    sys.exit(main())
