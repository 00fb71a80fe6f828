"""Rows of the recorder's smaller tables, from the columns that the pipeline has."""

from collections.abc import Callable, Sequence

import numpy as np

from inferometer_exporters.columns.tables import Columns, Ints
from inferometer_exporters.ledger.account import Account


def call_rows(calls: Columns) -> Columns:
    """Of the table `calls`."""
    names = {
        "start_ns": "start",
        "sent_ns": "sent",
        "headers_ns": "headers",
        "end_ns": "end",
        "foreign_span": "foreign",
    }
    same = ("span_id", "call_id", "server_ns", "target", "method", "status", "kind", "attempt", "outcome")
    return {name: calls[name] for name in same} | {name: calls[source] for name, source in names.items()}


def external_id_rows(ids: Columns) -> Columns:
    """Of the table `external_ids`."""
    texts = [text.decode("utf-8", "replace") for text in ids["text"].tolist()]
    return {"span_id": ids["span_id"], "told_ns": ids["frame_ns"], "text": np.array(texts, object)}


def execute_rows(runs: Columns, priced: Ints) -> Columns:
    """Of the table `executes`, from settled runs; *priced* is 1 for each of which all time has a price."""
    return {
        "span_id": runs["span_id"],
        "execute_id": runs["execute_id"],
        "batch_id": runs["batch_id"],
        "queued_ns": runs["queued"],
        "start_ns": runs["start"],
        "end_ns": runs["end"],
        "device": runs["name"],
        "batch_size": runs["size"],
        "rows": runs["rows"],
        "kind": runs["kind"],
        "device_ns": runs["ns"],
        "cost": np.where(priced > 0, runs["picodollars"], -1),
        "energy": runs["microjoules"],
        "method": runs["method"],
    }


def kept_rows(kept: Sequence[tuple[int, str]], wall_ns: int) -> Columns:
    """Of the table `kept`, from (trace id, reason)."""
    return {
        "trace_hi": np.array([trace_id >> 64 for trace_id, _ in kept], np.uint64),
        "trace_lo": np.array([trace_id & (1 << 64) - 1 for trace_id, _ in kept], np.uint64),
        "reason": np.array([reason for _, reason in kept], object),
        "wall_ns": np.full(len(kept), wall_ns),
    }


def ledger_rows(accounts: Sequence[Account], number: Callable[[str], int], wall_ns: int) -> Columns:
    """Of the table `ledger`: every state of every account as it is now."""
    entries = [(account, state, ns) for account in accounts for state, ns in account.states.items()]
    rates = [account.rate for account, _, _ in entries]
    prices = [None if rate is None else rate.price for rate in rates]
    return {
        "wall_ns": np.full(len(entries), wall_ns),
        "device": np.array([number(account.device.name) for account, _, _ in entries], np.int64),
        "state": np.array([state.value for _, state, _ in entries], object),
        "ns": np.array([ns for _, _, ns in entries], np.int64),
        "span_ns": np.array([account.wall for account, _, _ in entries], np.int64),
        "bill": np.array([account.bill for account, _, _ in entries], np.int64),
        "idle_cost": np.array([account.idle_cost for account, _, _ in entries], np.int64),
        "picodollars_per_hour": np.array([-1 if r is None else r.picodollars_per_hour for r in rates], np.int64),
        "price_kind": np.array(["" if p is None else p.price_kind for p in prices], object),
        "price_source": np.array(["" if p is None else p.source for p in prices], object),
        "price_as_of": np.array(["" if p is None else p.as_of for p in prices], object),
        "kind": np.array([account.device.kind for account, _, _ in entries], object),
        "model": np.array([account.device.model for account, _, _ in entries], object),
    }
