"""Calls of the service of echo_service: how they are made, how they fail, where their time went."""

import grpc
import pytest
from google.protobuf.wrappers_pb2 import StringValue

from inferometer.record.partition import partition

TRACE = "00-" + "ab" * 16 + "-" + "cd" * 8 + "-01"
PARENT = (b"traceparent", TRACE.encode())
OURS = (("traceparent", TRACE), ("tracestate", "inferometer=1,theirs=2"))
CODEC = (StringValue.SerializeToString, StringValue.FromString)


def text(value):
    return StringValue(value=value)


def ms(record, stage, kind=None):
    divided = partition(record)
    if kind is None:
        return divided.total(stage) / 1e6
    return sum(s.end - s.start for s in divided.segments if (s.stage, s.kind) == (stage, kind)) / 1e6


def fails(call, *args, **kwargs):
    with pytest.raises(grpc.RpcError) as raised:
        call(*args, **kwargs)
    return raised.value.code().value[0]
