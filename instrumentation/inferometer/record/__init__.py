"""The record: one request with its executes, calls and marked intervals, and its division into exclusive stages."""

from inferometer.record.claims import RANK, RANKS, Claim, claims
from inferometer.record.model import Batch, Call, Execute, Flag, Interval, Labels, Moment, RequestRecord
from inferometer.record.partition import MAX_SEGMENTS, Partition, Segment, partition, stage_totals

__all__ = [
    "MAX_SEGMENTS",
    "RANK",
    "RANKS",
    "Batch",
    "Call",
    "Claim",
    "Execute",
    "Flag",
    "Interval",
    "Labels",
    "Moment",
    "Partition",
    "RequestRecord",
    "Segment",
    "claims",
    "partition",
    "stage_totals",
]
