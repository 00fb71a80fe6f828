"""What was used of each device, where no row of `executes` says it: runs on groups and by other names, engines."""

import numpy as np

from inferometer_exporters.columns.tables import Columns, Ints, take
from inferometer_exporters.ledger.runs import priced


def part_rows(runs: Columns, row: Ints, numbers: Ints) -> Columns:
    """Of the table `execute_parts`: a row for each device of a group, and for each device that has another name.

    A run's row in `executes` names its device as the worker does. The ledger may know it by another name, or as
    several devices.

    Args:
        runs: settled, of the ledger's table.
        row: the request of each, -1 without one.
        numbers: the recorder's number of each account's name.
    """
    device = numbers[runs["device"]] if len(numbers) else runs["device"]
    other = np.flatnonzero((row >= 0) & (device != runs["name"]))
    parts = take(runs, other)
    return {
        "span_id": parts["span_id"],
        "execute_id": parts["execute_id"],
        "device": device[other],
        "kind": parts["kind"],
        "device_ns": parts["ns"],
        "cost": np.where(priced(parts) > 0, parts["picodollars"], -1),
        "energy": parts["microjoules"],
        "method": parts["method"].astype(np.int64),
    }


def share_rows(shares: Columns, numbers: Ints, wall_ns: int) -> Columns:
    """Of the table `engine_shares`, from settled shares of the ledger's table.

    Args:
        shares: of models of engines that are only scraped.
        numbers: the recorder's number of each account's name.
        wall_ns: now.
    """
    return {
        "wall_ns": np.full(len(shares["ns"]), wall_ns),
        "device": numbers[shares["device"]],
        "labels": shares["labels"],
        "kind": shares["kind"],
        "device_ns": shares["ns"],
        "cost": np.where(priced(shares) > 0, shares["picodollars"], -1),
        "energy": shares["microjoules"],
        "method": shares["method"],
    }
