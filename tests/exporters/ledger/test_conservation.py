"""Whatever workers say in whatever order, the ledger adds up: to the nanosecond, the picodollar and the microjoule.

``python tests/exporters/ledger/test_conservation.py [--streams 300]`` prints what the streams were made of and what
they summed to; ``pytest -s`` prints the same for fewer of them.
"""

import argparse
import random
import sys
from collections import Counter
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from inferometer.catalog.stages import Kind
from inferometer.fleet.thresholds import Price
from inferometer_exporters.ledger.account import Device, State
from inferometer_exporters.ledger.ledger import Ledger
from inferometer_exporters.ledger.methods import Method
from inferometer_exporters.ledger.prices import Rate
from inferometer_exporters.ledger.runs import blank
from inferometer_exporters.ledger.steps import Part, Step

DEVICES = (
    Device(name="host", kind="cpu", model="a CPU"),
    Device(name="GPU-0", kind="gpu", model="a GPU"),
    Device(name="GPU-1", kind="gpu", model="a GPU"),
    Device(name="MIG-0", kind="gpu", model="a GPU", parts=3, whole=7),
    Device(name="GPU-x", kind="gpu", model="nobody knows"),
)
PRICES = {"cpu": 200_000_000_000, "gpu": 2_990_000_000_001}
GROUPS = ((0,), (1,), (2,), (3,), (4,), (1, 2))
STREAMS = 60
SERVICE = 7
"""What stands for a service whose engine is scraped, traced, and now and then instrumented (worker 2)."""


@dataclass
class Totals:
    """What one stream must sum to, kept by the plainest means."""

    events: Counter = field(default_factory=Counter)
    bills: dict[int, Fraction] = field(default_factory=lambda: dict.fromkeys(range(len(DEVICES)), Fraction(0)))
    changes: int = 1
    used: int = 0
    ns: int = 0
    picodollars: int = 0
    microjoules: int = 0


class Stream:
    """Random events, and the ledger that takes them."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.factor = 1
        self.ledger = self._new(0)
        for device in DEVICES:
            self.ledger.device(device)
        self.totals = Totals()
        self.now = 0
        self.read = dict.fromkeys(range(1, 4), 0)
        self.told = []
        self.numbers = 0

    def _new(self, now):
        return Ledger(now, self._rate)

    def _rate(self, device):
        if device.model == "nobody knows":
            return None
        price = Price(
            kind=device.kind, model="*", picodollars_per_hour=PRICES[device.kind] * self.factor, price_kind="owned",
            source="test", as_of="2026-11-23",
        )  # fmt: skip
        return Rate.of(price).part(device.parts, device.whole)

    def announce(self, *rows):
        """Tell of rows of runs; a row is a dict."""
        names = {name for row in rows for name in row}
        columns = {name: np.array([row.get(name, 0) for row in rows]) for name in names}
        whole = blank(columns)
        self.ledger.announce({name: columns[name].astype(whole[name].dtype) if name in columns else whole[name]
                              for name in whole})  # fmt: skip

    def run(self):
        """A run of 1 to 9 requests, alone or as a batch, on one device or a group; it may be late, and take no time."""
        self.numbers += 1
        start = max(self.ledger.until + self.chance.randrange(-2_000, 8_000), 0)
        end = start + self.chance.choice([0, 1, self.chance.randrange(20_000)])
        size = self.chance.choice([1, 1, 1, 3, 4, 7, 9])
        known = self.chance.randrange(1, size + 1)
        kind = int(self.chance.choice([Kind.NONE, Kind.PREFILL, Kind.DECODE]))
        tokens = self.chance.choice([0, 17, 512, 90_000]) if kind == Kind.PREFILL else 0
        group = self.chance.choice(GROUPS)
        worker = self.chance.randrange(1, 4)
        rows = [
            {
                "worker": worker, "execute_id": self.numbers, "size": size, "kind": kind, "tokens": tokens,
                "span_id": 0 if self.chance.random() < 0.1 else self.numbers << 8 | member, "rank": rank,
                "device": device, "start": start, "end": end, "release": end, "final": True,
            }
            for member in range(known)
            for rank, device in enumerate(group)
        ]  # fmt: skip
        self.told.append(rows)
        if self.chance.random() < 0.5:
            # Told while it runs, and finished, or cancelled, later: or never.
            self.announce(*(row | {"end": 0, "release": 0, "final": False} for row in rows))
            self.totals.events["runs that were told while they ran"] += 1
        else:
            self.announce(*rows)
            self.totals.events["runs that were told when they had ended"] += 1
        if size > known:
            self.totals.events["batches of which members are missing"] += 1
        if start < self.ledger.until:
            self.totals.events["runs that came late"] += 1

    def again(self):
        """What was told once is told again: finished now, or as it was, in any order."""
        if self.told:
            rows = list(self.chance.choice(self.told))
            self.chance.shuffle(rows)
            self.announce(*rows)
            self.totals.events["rows that came again"] += len(rows)

    def step(self):
        """Some steps of an engine on a device or a group."""
        group = self.chance.choice([(1,), (1, 2)])
        at = max(self.ledger.until + self.chance.randrange(-500, 3_000), 0)
        steps = []
        for _ in range(self.chance.randrange(1, 6)):
            parts = tuple(
                Part(worker=9, span_id=number, execute_id=number << 1 | bool(prefill), prefill=prefill,
                     context=self.chance.randrange(4_000))
                for number in self.chance.sample(range(1, 12), self.chance.randrange(1, 6))
                for prefill in [self.chance.choice([0, 0, 512])]
            )  # fmt: skip
            took = self.chance.randrange(2_000)
            names = ",".join(DEVICES[index].name for index in group)
            steps.append(Step(device=names, engine="engine", start=at, end=at + took, parts=parts))
            at += took + self.chance.choice([0, 100])
        self.ledger.steps(steps)
        self.totals.events["steps of an engine"] += len(steps)

    def traced(self):
        """An engine's spans came, after their requests had ended: the ledger waits longer for the next ones."""
        index = self.chance.choice([1, 2])
        account = self.ledger.accounts[index]
        start = max(self.now - self.chance.randrange(9_000), 0)
        account.engine = True
        account.lag = min(max(account.lag, self.ledger.until - start), 12_000)
        self.numbers += 1
        end = start + self.chance.randrange(6_000)
        self.announce({
            "worker": SERVICE, "execute_id": self.numbers, "span_id": self.numbers, "size": 1, "device": index,
            "start": start, "end": end, "release": end, "final": True, "engine": True, "kind": int(Kind.DECODE),
        })  # fmt: skip
        self.totals.events["requests that spans told of"] += 1

    def claim(self):
        """An engine's page was read: what it says of its models, of the time since the scrape before."""
        group = self.chance.choice([(1,), (1,), (1, 2), (3,)])
        page, span = self.chance.choice([21, 22]), self.chance.randrange(1, 15_000)
        method = int(self.chance.choice([Method.BUSY, Method.COMPUTE, Method.TOKENS, Method.DURATION]))
        self.numbers += 1
        for worker in (2, page, SERVICE):
            self.ledger.belongs(worker, SERVICE)
        for rank, index in enumerate(group):
            begin = max(self.now - span, self.ledger.accounts[index].since)
            self.announce(*(
                {
                    "worker": page, "rank": rank, "execute_id": self.numbers, "span_id": model, "device": index,
                    "start": begin, "end": begin + span, "release": begin + span, "size": 1, "final": True,
                    "engine": True, "claim": self.chance.randrange(1, span + 1), "way": method, "labels": model,
                }
                for model in range(1, self.chance.randrange(2, 5))
            ))  # fmt: skip
        self.totals.events["pages of engines"] += 1

    def energy(self):
        """An energy counter was read: some of the time it has begun anew, and some of it nobody read it."""
        index = self.chance.choice(list(self.read))
        begin, end = self.read[index], self.now
        if end > begin:
            self.read[index] = end
            if self.chance.random() < 0.8:
                used = self.chance.randrange(10**9)
                self.ledger.accounts[index].used(begin, end, used)
                self.totals.used += used
                self.totals.events["energy readings"] += 1

    def loaded(self):
        """A model was loaded."""
        begin = self.ledger.until + self.chance.randrange(2_000)
        self.ledger.loaded(self.chance.randrange(len(DEVICES)), begin, begin + self.chance.randrange(5_000))
        self.totals.events["loads of a model"] += 1

    def gone(self):
        """A worker dies."""
        worker = self.chance.randrange(1, 4)
        self.ledger.close(worker, self.now)
        self.told = [rows for rows in self.told if rows[0]["worker"] != worker]
        self.totals.events["workers that died"] += 1

    def restart(self):
        """The sidecar is started anew, at another price."""
        self.factor = self.chance.choice([1, 2, 3])
        before = self.ledger
        pause = self.chance.randrange(3_000)
        self.now += pause
        self.ledger = self._new(self.now)
        self.ledger.load(before.dump(), now=self.now, gap=None)
        for index in self.read:
            self.read[index] = self.now
        self.totals.changes += 1
        self.totals.events["restarts at another price"] += 1

    def reboot(self):
        """The host is started anew: on another clock, and what ran is gone."""
        before = self.ledger
        self._count(before._runs)
        gap, self.now = self.chance.randrange(3_000), self.chance.randrange(1_000)
        walls = [account.wall for account in before.accounts]
        self.ledger = self._new(self.now)
        self.ledger.load(before.dump(), now=self.now, gap=gap)
        self._bill(walls)
        self.told.clear()
        for index in self.read:
            self.read[index] = self.now
        self.totals.changes += 1
        self.totals.events["boots of the host"] += 1

    def partition(self):
        """A device is billed no more for a while: it is divided into slices, or put together again."""
        name = "GPU-1"
        if self.ledger.accounts[2].closed:
            self.ledger.device(DEVICES[2])
            self.read[2] = self.now
        else:
            self.ledger.close_account(name)
            self.read[2] = 1 << 62
        self.totals.events["changes of a partition"] += 1

    def sweep(self, span=None):
        """Time passes, and is settled."""
        self.now += self.chance.randrange(6_000) if span is None else span
        until = max(self.now - self.chance.choice([0, 500]), self.ledger.until)
        walls = [account.wall for account in self.ledger.accounts]
        others = {index: self.chance.choice([State.WARM_IDLE, State.UNALLOCATED, State.UNOBSERVED]) for index in (1, 2)}
        self.ledger.sweep(until, self.chance.choice([State.WARM_IDLE, State.UNALLOCATED]), others)
        self._bill(walls)
        self._count(self.ledger.released())
        self.totals.events["sweeps"] += 1

    def _bill(self, walls):
        """What the devices cost since *walls*, as fractions."""
        for index, account in enumerate(self.ledger.accounts):
            if account.rate is not None:
                rate = Fraction(account.rate.picodollars, account.rate.ns)
                self.totals.bills[index] += rate * (account.wall - walls[index])

    def _count(self, rows):
        self.totals.ns += int(rows["ns"].sum())
        self.totals.picodollars += int(rows["picodollars"].sum())
        self.totals.microjoules += int(rows["spent" if "spent" in rows else "microjoules"].sum())

    def check(self):
        """Everything adds up, in whole numbers."""
        accounts, rows, totals = self.ledger.accounts, self.ledger._runs, self.totals
        for account in accounts:
            assert sum(account.states.values()) == account.wall, account
            assert account.residual == 0
            assert all(ns >= 0 for ns in account.states.values())
            assert all(microjoules >= 0 for microjoules in account.energies.values())
        assert totals.ns + int(rows["ns"].sum()) == sum(a.states[State.ATTRIBUTED] for a in accounts)
        waiting = sum(a.meter.waiting(a.since) for a in accounts if a.meter)
        assert sum(sum(a.energies.values()) for a in accounts) + waiting == totals.used
        spent = totals.microjoules + int(rows["microjoules"].sum())
        assert spent == sum(a.energies[State.ATTRIBUTED] for a in accounts)
        for index, account in enumerate(accounts):
            assert abs(account.bill - totals.bills[index]) < totals.changes
            assert account.bill >= account.idle_cost - totals.changes
        charged = totals.picodollars + int(rows["picodollars"].sum())
        assert charged <= sum(a.bill - a.idle_cost for a in accounts) + totals.changes * len(accounts)


EVENTS = (
    "run", "run", "run", "again", "step", "energy", "loaded", "gone", "restart", "reboot", "partition", "sweep",
    "traced", "claim",
)  # fmt: skip


def played(chance, events=60):
    """A stream that was played to its end: everything that it told of is settled."""
    stream = Stream(chance)
    for name in chance.choices(EVENTS, weights=[2, 2, 2, 2, 3, 4, 1, 0.5, 0.5, 0.3, 0.5, 6, 3, 3], k=events):
        getattr(stream, name)()
        stream.check()
    for worker in (1, 2, 3, 9):
        stream.ledger.close(worker, stream.now)
    stream.sweep(200_000)
    stream.check()
    stream.sweep(200_000)
    stream.check()
    assert stream.ledger.pending == 0
    return stream


@settings(
    max_examples=min(STREAMS, settings.default.max_examples),
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)
@given(st.integers(0, 2**32))
def test_every_stream_adds_up_after_every_event(seed):
    played(random.Random(seed))


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.broad) for seed in range(1, 12))])
def test_longer_streams_add_up(seed):
    played(random.Random(seed), events=250)


def test_the_table_of_what_streams_sum_to():
    """Shown with ``pytest -s``."""
    lines = table([played(random.Random(seed)) for seed in range(10)])
    sys.stdout.write("\n".join(["", *lines, ""]))

    assert any("residual" in line and line.rstrip().endswith(" 0") for line in lines)
    assert any("attributed" in line for line in lines)


def test_span_times_price_does_not_add_up_which_is_why_there_is_a_ledger():
    """Two requests that share a device for a second, each of them charged that second: twice the bill."""
    stream = Stream(random.Random(1))
    second, rate = 10**9, stream.ledger.accounts[0].rate
    rows = [{"worker": 1, "execute_id": n, "span_id": n, "size": 1, "end": second, "final": True} for n in (1, 2)]
    stream.announce(*rows)
    stream.ledger.sweep(second, State.WARM_IDLE)
    found = stream.ledger.released()
    by_span = sum(rate.charge(second, 0)[0] for _ in rows)

    bill = stream.ledger.accounts[0].bill
    assert by_span == pytest.approx(2 * bill)
    assert int(found["picodollars"].sum()) == bill


def table(streams):
    """Lines that say what the streams were made of and what they summed to."""
    events = sum((stream.totals.events for stream in streams), Counter())
    accounts = [account for stream in streams for account in stream.ledger.accounts]
    states = {state: sum(account.states[state] for account in accounts) for state in State}
    wall = sum(account.wall for account in accounts)
    energies = {state: sum(account.energies[state] for account in accounts) for state in State}
    read = sum(stream.totals.used for stream in streams)
    waiting = sum(account.meter.waiting(account.since) for account in accounts if account.meter)
    charged = sum(stream.totals.ns for stream in streams)
    spent = sum(stream.totals.microjoules for stream in streams)
    bill, exact = sum(a.bill for a in accounts), sum(sum(stream.totals.bills.values()) for stream in streams)
    changes = sum(stream.totals.changes for stream in streams)
    worst = max(abs(account.residual) for account in accounts)
    return [
        f"{len(streams)} random streams on {len(DEVICES)} devices each",
        *(f"  {name:<42}{count:>12,}" for name, count in sorted(events.items())),
        "device time, ns",
        *(f"  {state.value:<42}{ns:>22,}" for state, ns in states.items()),
        f"  {'sum of the states':<42}{sum(states.values()):>22,}",
        f"  {'wall time':<42}{wall:>22,}",
        f"  {'residual':<42}{wall - sum(states.values()):>22,}",
        f"  {'charged to requests - attributed':<42}{charged - states[State.ATTRIBUTED]:>22,}",
        f"  {'worst residual of a device, as a ratio':<42}{worst:>22.1e}",
        "energy, microjoules",
        *(f"  {state.value:<42}{uj:>22,}" for state, uj in energies.items()),
        f"  {'sum of the states, and what waits':<42}{sum(energies.values()) + waiting:>22,}",
        f"  {'read from the counters':<42}{read:>22,}",
        f"  {'residual':<42}{read - sum(energies.values()) - waiting:>22,}",
        f"  {'charged to requests - attributed':<42}{spent - energies[State.ATTRIBUTED]:>22,}",
        "money, picodollars",
        f"  {'bills':<42}{bill:>22,}",
        f"  {'wall time x price, as a fraction':<42}{float(exact):>22,.1f}",
        f"  {f'difference, of {changes:,} prices less than 1 each':<42}{float(abs(bill - exact)):>22,.1f}",
    ]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, default=300)
    streams = parser.parse_args().streams
    sys.stdout.write("\n".join(table([played(random.Random(seed)) for seed in range(streams)])) + "\n")


if __name__ == "__main__":
    main()
