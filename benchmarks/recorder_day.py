"""A day of a fleet of six models, a third of them gateways, as rows of the flight recorder."""

import numpy as np

from inferometer.catalog.stages import Stage
from inferometer_exporters.columns.segments import DURATION_SHIFT, MERGED_SHIFT, STAGE_SHIFT
from inferometer_exporters.ledger.account import State
from inferometer_exporters.recorder.insertion import SEGMENTS
from inferometer_exporters.recorder.schema import STAGE_COLUMNS

SECOND = 10**9
DAY = 86_400
MODELS = 6
TENANTS = 5
WALL = 1_790_000_000 * SECOND


def requests(random, count, start):
    """Columns of requests, a day's of which began at *start* (ns of each): as `Hold` releases them."""
    stages = random.lognormal(14.0, 1.2, (len(STAGE_COLUMNS), count)).astype(np.int64)
    stages[random.random((len(STAGE_COLUMNS), count)) < 0.35] = 0
    segments = np.zeros((len(SEGMENTS), count), np.int64)
    for place, stage in enumerate(Stage):
        segments[place] = stages[place] << DURATION_SHIFT | 1 << MERGED_SHIFT | int(stage) << STAGE_SHIFT
    duration = stages.sum(axis=0)
    model = random.integers(0, MODELS, count)
    streams = model == 0
    executed = model % 3 != 0
    execute_ns = np.where(executed, stages[list(STAGE_COLUMNS).index("execute_ns")], 0)
    unknown = np.full(count, -1, np.int64)
    return {
        "trace_hi": random.integers(1, 1 << 63, count).astype(np.uint64),
        "trace_lo": random.integers(1, 1 << 63, count).astype(np.uint64),
        "span_id": random.integers(1, 1 << 63, count).astype(np.uint64),
        "parent_id": np.where(model == 1, random.integers(1, 1 << 63, count), 0).astype(np.uint64),
        "start_ns": start,
        "wall_ns": WALL + start,
        "duration_ns": duration,
        **dict(zip(STAGE_COLUMNS, stages, strict=True)),
        **dict(zip(SEGMENTS, segments, strict=True)),
        "segment_count": np.full(count, len(STAGE_COLUMNS)),
        "first_chunk_ns": np.where(streams, duration // 4, -1),
        "first_token_ns": np.where(streams, duration // 3, -1),
        "last_token_ns": np.where(streams, duration, -1),
        "proxy_wait_ns": unknown,
        "labels": (1 + model * TENANTS + random.integers(0, TENANTS, count)).astype(np.uint32),
        "process": random.integers(1, 5, count).astype(np.uint32),
        "outcome": np.where(random.random(count) < 0.01, 3, 0).astype(np.uint8),
        "status": np.full(count, 200, np.uint16),
        "flags": np.where(model == 1, 0, 1).astype(np.uint8),
        "bytes_in": random.integers(100, 5_000, count),
        "bytes_out": random.integers(100, 50_000, count),
        "chunks": np.ones(count, np.uint32),
        "tokens_in": np.where(streams, random.integers(10, 2_000, count), 0).astype(np.uint32),
        "tokens_out": np.where(streams, random.integers(10, 500, count), 0).astype(np.uint32),
        "device": np.where(executed, 1 + model % 2, 0).astype(np.uint32),
        "batch_id": np.zeros(count, np.uint64),
        "batch_size": np.where(executed, 1, 0).astype(np.uint32),
        "device_ns": execute_ns,
        "cost": execute_ns * 83 // 100,
        "energy": execute_ns // 3_000,
        "method": np.where(executed, 0, -1),
        "utilization": np.where(executed, np.round(random.random(count), 2), np.nan),
        "sm_clock": np.where(executed, 1_980_000_000, -1),
        "throttle": np.where(executed, 0, -1),
        "throttled_ns": np.where(executed, 0, -1),
        "temperature": np.where(executed, 61.0, np.nan),
    }


def executes(rows):
    """Their runs, one for each request that used a device."""
    mine = np.flatnonzero(rows["device"] > 0)
    start = rows["start_ns"][mine]
    return {
        "span_id": rows["span_id"][mine],
        "execute_id": rows["trace_lo"][mine],
        "batch_id": np.zeros(len(mine), np.uint64),
        "queued_ns": start,
        "start_ns": start,
        "end_ns": start + rows["device_ns"][mine],
        "device": rows["device"][mine],
        "batch_size": np.ones(len(mine), np.uint32),
        "rows": np.ones(len(mine), np.uint32),
        "kind": np.zeros(len(mine), np.uint8),
        "device_ns": rows["device_ns"][mine],
        "cost": rows["cost"][mine],
        "energy": rows["energy"][mine],
        "method": rows["method"][mine],
    }


def calls(rows):
    """The calls that led to those requests that have a caller."""
    mine = np.flatnonzero(rows["parent_id"] > 0)
    start = rows["start_ns"][mine]
    end = start + rows["duration_ns"][mine]
    return {
        "span_id": rows["trace_lo"][mine],
        "call_id": rows["parent_id"][mine],
        "start_ns": start,
        "sent_ns": start,
        "headers_ns": end,
        "end_ns": end,
        "server_ns": rows["duration_ns"][mine],
        "target": np.full(len(mine), 3, np.uint32),
        "method": np.full(len(mine), 4, np.uint32),
        "status": np.full(len(mine), 200, np.uint16),
        "kind": np.zeros(len(mine), np.uint8),
        "attempt": np.ones(len(mine), np.uint8),
        "foreign_span": np.zeros(len(mine), np.uint8),
        "outcome": np.zeros(len(mine), np.uint8),
    }


def ledger(wall_ns, spent):
    """The ledger's entries at a moment, *spent* ns after its begin, of two devices."""
    states = [state.value for state in State]
    count = 2 * len(states)
    return {
        "wall_ns": np.full(count, wall_ns),
        "device": np.repeat([1, 2], len(states)),
        "state": np.array(states * 2, object),
        "ns": np.full(count, spent // len(states)),
        "span_ns": np.full(count, spent // len(states) * len(states)),
        "bill": np.full(count, spent * 83 // 100),
        "idle_cost": np.full(count, spent * 40 // 100),
        "picodollars_per_hour": np.full(count, 2_990_000_000_000),
        "price_kind": np.array(["reserved"] * count, object),
        "price_source": np.array(["contract"] * count, object),
        "price_as_of": np.array(["2026-10-01"] * count, object),
        "kind": np.array(["gpu"] * count, object),
        "model": np.array(["NVIDIA H100 80GB HBM3"] * count, object),
    }
