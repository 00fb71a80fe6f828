"""One SERVER span per call of a gRPC server, threaded or asynchronous, whatever else traces it."""

import sys

import grpc
import pytest

CALLER = "00f067aa0ba902b7"


@pytest.mark.parametrize("policy", ["own", "augment", "off"])
@pytest.mark.parametrize("wiring", ["nothing", "contrib", "provider"])
@pytest.mark.parametrize("kind", ["threads", "aio"])
def test_a_call_has_one_server_span_and_the_users_are_below_it(wired, wiring, policy, kind):
    server = wired(wiring, policy, app="rpc.py", command=(sys.executable,), KIND=kind)
    traces = [f"{number:032x}" for number in range(1, 7)]
    with grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        call = channel.unary_unary("/test.Model/Predict", request_serializer=None, response_deserializer=None)
        for trace_id in traces:
            call(b"x", metadata=[("traceparent", f"00-{trace_id}-{CALLER}-01")], timeout=20)
    log = server.stop()

    assert "Failed to detach" not in log
    for trace_id in traces[:5]:
        check(server.trace(trace_id), wiring, policy)


def check(trace, wiring, policy):
    users = trace.named("user-work")
    if policy == "off":
        assert trace.stages == []
        assert len(trace.servers) == (1 if wiring == "contrib" else 0)
        return
    (root,) = trace.servers
    theirs = wiring == "contrib" and policy == "augment"
    assert root.scope == ("opentelemetry.instrumentation.grpc" if theirs else "inferometer")
    assert root.parent == CALLER
    assert trace.orphans(CALLER) == [], trace
    assert {stage.parent for stage in trace.stages} == {root.id}, trace
    assert [kept.parent for kept in users] == ([root.id] if wiring != "nothing" else []), trace
