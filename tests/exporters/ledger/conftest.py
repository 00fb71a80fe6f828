"""Builders for tests of the ledger."""

import numpy as np
import pytest

from inferometer.fleet.thresholds import Price
from inferometer_exporters.ledger.account import Device, State
from inferometer_exporters.ledger.ledger import Ledger
from inferometer_exporters.ledger.prices import Rate
from inferometer_exporters.ledger.runs import blank

HOST = Device(name="host", kind="cpu", model="a CPU")
GPU = Device(name="GPU-0", kind="gpu", model="a GPU")
PRICE = Price(
    kind="gpu", model="*", picodollars_per_hour=3_600_000_000_000, price_kind="owned", source="test", as_of="2026-11-23"
)  # 3.60 USD per hour: 1 picodollar per nanosecond


class Made:
    """A ledger with one host and one GPU, and short ways to feed it."""

    HOST, GPU, PRICE = HOST, GPU, PRICE

    def __init__(self, now=0, price=PRICE, devices=(HOST, GPU)):
        self.ledger = Ledger(now, lambda _: None if price is None else Rate.of(price))
        for device in devices:
            self.ledger.device(device)

    def tell(self, *rows):
        """Announce rows of runs, given as dicts; finished and alone on the GPU unless told otherwise."""
        whole = [{"worker": 1, "device": 1, "size": 1, "final": True} | row for row in rows]
        for number, row in enumerate(whole, 1):
            row.setdefault("span_id", number)
            row.setdefault("execute_id", row["span_id"])
            row.setdefault("release", row.get("end", 0))
        names = {name for row in whole for name in row}
        columns = {name: np.array([row.get(name, 0) for row in whole]) for name in names}
        table = blank(columns)
        kinds = {name: column.dtype for name, column in blank({"start": np.zeros(1, np.int64)}).items()}
        self.ledger.announce({name: column.astype(kinds[name]) for name, column in table.items()})

    def settle(self, until, idle=State.WARM_IDLE):
        """What the requests owe that are settled at *until*: span -> row as a dict, summed over its rows."""
        self.ledger.sweep(until, idle)
        found = self.ledger.released()
        owed = {}
        for index, span in enumerate(found["span_id"].tolist()):
            row = {name: found[name][index].item() for name in ("ns", "picodollars", "microjoules", "method")}
            before = owed.setdefault(span, dict.fromkeys(row, 0) | {"method": row["method"]})
            owed[span] = {name: row[name] + (before[name] if name != "method" else 0) for name in row}
        return owed

    def ns(self, until):
        """Device time of the requests that are settled at *until*."""
        return {span: row["ns"] for span, row in self.settle(until).items()}

    @property
    def gpu(self):
        """The GPU's account."""
        return self.ledger.accounts[1]


@pytest.fixture(scope="session")
def made():
    """Makes a `Made`."""
    return Made
