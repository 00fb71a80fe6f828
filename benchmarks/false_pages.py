"""How often a healthy service wakes somebody in 30 days: our policy, and the windows of Sloth and of Pyrra.

``python benchmarks/false_pages.py [--months 100] [--seed 7]``

Requests come at random (Poisson) and fail independently of each other, at half of the budget: nothing is wrong. Every
30 seconds each policy's conditions are evaluated by the engine of ``inferometer slo backtest``, which is held equal to
Prometheus's own (tests/peers/test_backtest.py): increases of scraped counters, tiles, and how often each is renewed. A
page is a condition that begins to hold; what comes back within five minutes, which Alertmanager would not send again,
is the same page. Sloth: 14.4 over 1h and 5m, 6 over 6h and 30m. Pyrra over 28 days: 14 over 1h and 5m for 2m, 7 over 6h
and 30m for 15m. Target: ours at most 0.2 a month.
"""

import argparse
import sys
from decimal import Decimal

import numpy as np

from inferometer.fleet import durations
from inferometer.fleet.objective import Sli
from inferometer.fleet.slos import ObjectiveSpec
from inferometer_alerts.policy import budget
from inferometer_compose.backtest import chance
from inferometer_compose.backtest.conditions import classic, ours, paging, pyrra
from inferometer_compose.backtest.engine import Clock

TARGET = 0.2
STEP_SECONDS = 30
CLOCK = Clock(scrape=STEP_SECONDS)
MONTH_STEPS = 30 * 86_400 // STEP_SECONDS
AT_ONCE = 5
OBJECTIVES = ("90", "95", "99", "99.9", "99.99")
PER_HOUR = (2, 60, 600, 60_000)
POLICIES = {"ours": ours, "Sloth": classic, "Pyrra": pyrra}


def rates(spec, per_hour, months, random):
    """Pages in 30 days by policy, mean of the simulated months."""
    share = float(budget(spec))
    pages, simulated = dict.fromkeys(POLICIES, 0.0), 0
    while simulated < months:
        events = random.poisson(per_hour * STEP_SECONDS / 3_600, (AT_ONCE, MONTH_STEPS))
        bad = random.binomial(events, share * chance.HEALTHY)
        history = chance.simulated(events, bad, step=STEP_SECONDS, clock=CLOCK)
        for name, policy in POLICIES.items():
            pages[name] += chance.for_nothing(history, paging(policy(spec))) * AT_ONCE
        simulated += AT_ONCE
    return {name: number / simulated for name, number in pages.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--months", type=int, default=100)
    parser.add_argument("--seed", type=int, default=7)
    args = parser.parse_args()
    random = np.random.default_rng(args.seed)
    print(f"pages in 30 days of a healthy service, mean of {args.months} simulated months, seed {args.seed}")
    print(f"{'objective':<11}{'requests/h':>11}" + "".join(f"{name:>9}" for name in POLICIES))
    worst = 0.0
    for target in OBJECTIVES:
        spec = ObjectiveSpec(
            name="available", sli=Sli.AVAILABILITY, target=Decimal(target), window_ns=durations.parse("30d")
        )
        for per_hour in PER_HOUR:
            found = rates(spec, per_hour, args.months, random)
            worst = max(worst, found["ours"])
            cells = "".join(f"{rate:>9.2f}" for rate in found.values())
            print(f"{target + ' %':<11}{per_hour:>11,}{cells}", flush=True)
    print(f"worst of ours {worst:.2f} (target {TARGET})")
    return 0 if worst <= TARGET else 1


if __name__ == "__main__":
    sys.exit(main())
