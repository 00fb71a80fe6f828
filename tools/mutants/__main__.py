"""How many wrong rules the generated proofs find out.

``PYTHONPATH=tools python -m mutants [--config FLEET] [--sample 200] [--seed 7] [--only NAME] [--equivalents]``

Every generated rule is made wrong in every way that mutants/mutation.py knows, one at a time, and promtool runs the
generated proofs that need the rule, the quickest 60 of them. Printed: killed of all by kind, and each survivor.
Mutants that change nothing are listed with the reason in mutants/equivalents.py and not counted; with --equivalents
they are run too, and one that dies is an error.
"""

import argparse
import random
import sys
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from inferometer.fleet.loader import load
from mutants.equivalents import listed
from mutants.mutation import Mutant, mutants
from mutants.proofs import Generated, Place
from mutants.verdict import Judge, Survivor

ROOT = Path(__file__).parents[2]
PROMTOOL = ROOT / ".tools/bin/promtool"
SMALL = ROOT / "tests/data/mutants/fleet.yaml"
TARGET = 0.95
Case = tuple[Place, Mutant]


def chosen(generated: Generated, only: str, sample: int | None, seed: int) -> list[tuple[Place, Mutant]]:
    """Mutants of the rules whose file and name contain *only*; of all of them, or so many at random."""
    every = [
        (place, mutant)
        for place in generated.places
        if only in f"{place[0]} {generated.name(place)}"
        for mutant in mutants(generated.rule(place))
    ]
    if sample is None or sample >= len(every):
        return every
    return random.Random(seed).sample(every, sample)  # noqa: S311 - a reproducible choice


def apart(generated: Generated, cases: Sequence[Case]) -> tuple[list[Case], list[Case]]:
    """Those that should die, and those that are listed as equivalent."""
    wrong: list[Case] = []
    equivalent: list[Case] = []
    for place, mutant in cases:
        (equivalent if listed(place, generated.name(place), mutant) else wrong).append((place, mutant))
    return wrong, equivalent


def judged(
    judge: Judge, cases: Sequence[tuple[Place, Mutant]], workers: int, *, verbose: bool = False
) -> list[Survivor | None]:
    """For each mutant None, or what survived."""
    started, verdicts = time.monotonic(), []
    with ThreadPoolExecutor(workers) as pool:
        for verdict in pool.map(lambda case: judge.survivor(*case), cases):
            verdicts.append(verdict)
            if verdict and verbose:
                print(verdict, file=sys.stderr)
            if len(verdicts) % 10 == 0:
                spent = time.monotonic() - started
                print(f"\r{len(verdicts)} of {len(cases)}, {spent:.0f} s", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return verdicts


def main() -> int:
    """Exit 0 where enough mutants die, 1 where too few do or a listed one dies."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", type=Path, default=SMALL)
    parser.add_argument("--only", default="", help="part of a rule's file and name: 'slo slo:events'")
    parser.add_argument("--sample", type=int, help="so many mutants at random, not all")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--proofs", type=int, default=60, help="at most so many proofs per mutant, the quickest")
    parser.add_argument("--equivalents", action="store_true", help="run those that are listed as equivalent too")
    parser.add_argument("--verbose", action="store_true", help="say at once who survives, equivalent ones too")
    args = parser.parse_args()
    if not PROMTOOL.exists():
        parser.error(f"{PROMTOOL} is not there: `make tools` builds it")
    generated = Generated.of(load(args.config))
    judge = Judge(generated, PROMTOOL, most_proofs=args.proofs)
    wrong, equivalent = apart(generated, chosen(generated, args.only, args.sample, args.seed))
    enough = report(wrong, judged(judge, wrong, args.workers, verbose=args.verbose))
    print(f"listed as equivalent, not counted: {len(equivalent)} ({len(equivalent) / max(len(wrong), 1):.1%})")
    if not args.equivalents:
        return 0 if enough else 1
    died = [case for case, alive in zip(equivalent, judged(judge, equivalent, args.workers), strict=True) if not alive]
    for place, mutant in died:
        print(f"listed as equivalent, but found out: {generated.name(place)}: {mutant.kind}: {mutant.change}")
    return 0 if enough and not died else 1


def report(cases: Sequence[Case], verdicts: Sequence[Survivor | None]) -> bool:
    """Print killed of all by kind, and who survived; whether enough died."""
    made, killed = Counter[str](), Counter[str]()
    for (_, mutant), survivor in zip(cases, verdicts, strict=True):
        made[mutant.kind] += 1
        killed[mutant.kind] += survivor is None
        if survivor:
            print(survivor)
    print(f"\n{'kind':<22}{'killed':>8}{'of':>8}")
    for kind, number in made.most_common():
        print(f"{kind:<22}{killed[kind]:>8}{number:>8}")
    share = killed.total() / max(made.total(), 1)
    print(f"{'all':<22}{killed.total():>8}{made.total():>8}   {share:.1%} (at least {TARGET:.0%})")
    return share >= TARGET


if __name__ == "__main__":
    sys.exit(main())
