"""Exactly one SERVER span per request, whatever else traces the application; user spans and our stages below it."""

import sys
from pathlib import Path

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from inferometer.catalog import spans

CALLER = "00f067aa0ba902b7"
WIRINGS = ("nothing", "contrib", "native", "instrument", "provider", "instrumentator")
PATHS = ("/work", "/sync", "/stream", "/bug", "/later", "/plain", "/sub/work")
INSTRUMENT = (str(Path(sys.executable).parent / "opentelemetry-instrument"), sys.executable, "-m", "uvicorn")
BY_INSTRUMENT = {
    "OTEL_TRACES_EXPORTER": "otlp",
    "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
    "OTEL_BSP_SCHEDULE_DELAY": "100",
}
_HAS_USER_SPANS = {"contrib", "native", "instrument", "provider"}


def start(wired, wiring, policy, **more):
    if wiring == "instrument":
        return wired(wiring, policy, command=INSTRUMENT, **BY_INSTRUMENT, **more)
    return wired(wiring, policy, **more)


SERVER_BY = {
    "contrib": "opentelemetry.instrumentation.fastapi",
    "instrument": "opentelemetry.instrumentation.fastapi",
    "native": "fastapi",
}
"""Whose SERVER span it is under ``augment``; ours where nobody else makes one, and under ``own``."""


@pytest.mark.slow
@pytest.mark.parametrize("policy", ["own", "augment", ""], ids=["own", "augment", "default"])
@pytest.mark.parametrize("wiring", WIRINGS)
def test_a_request_has_one_server_span_and_everything_else_is_below_it(wired, wiring, policy, capsys):
    server = start(wired, wiring, policy)
    asked = {path: server.ask(path)[0] for path in PATHS}
    server.ask("/work", caller=False)
    log = server.stop()

    owner = "inferometer" if policy == "own" else SERVER_BY.get(wiring, "inferometer")
    for path, trace_id in asked.items():
        trace = server.trace(trace_id)
        check(trace, path, CALLER, owner, user_spans=wiring in _HAS_USER_SPANS)
        if policy == "own":
            # Who else instruments the server has no span of the request itself, only of what comes after its answer.
            theirs = {kept.span.name for kept in trace.spans if kept.scope not in {"inferometer", "user"}}
            assert all(name.startswith("BackgroundTask") for name in theirs), theirs
    others = [trace for key, trace in server.receiver.traces.items() if key not in asked.values()]
    # What the process spent before its first answer is a trace of its own, of no request.
    (unasked,) = [trace for trace in others if not trace.named(spans.COLD_START_SPAN)]
    check(unasked, "/work", "", owner, user_spans=wiring in _HAS_USER_SPANS)
    assert "Failed to detach" not in log
    row(capsys, server, wiring, policy, asked["/work"])


def check(trace, path, caller, owner, *, user_spans):
    (root,) = trace.servers
    assert (root.parent, root.scope) == (caller, owner), trace
    assert trace.orphans(caller) == [], trace
    assert trace.stages, trace
    assert {stage.parent for stage in trace.stages} == {root.id}, trace
    assert {stage.scope for stage in trace.stages} == {"inferometer"}
    for stage in trace.stages:
        assert root.span.start_time_unix_nano <= stage.span.start_time_unix_nano
        assert stage.span.end_time_unix_nano <= root.span.end_time_unix_nano
    failed = root.span.status.code == Status.STATUS_CODE_ERROR
    assert failed == (path == "/bug"), trace
    users = [kept for kept in trace.spans if kept.scope == "user"]
    assert bool(users) == (user_spans and path != "/plain"), trace
    assert all(below(trace, kept, root) for kept in users), trace
    if users and path == "/work":
        (work,) = trace.named("user-work")
        (inner,) = trace.named("user-inner")
        assert inner.parent == work.id


def below(trace, kept, root):
    by_id = {k.id: k for k in trace.spans}
    while kept.parent in by_id:
        kept = by_id[kept.parent]
    return kept is root


def row(capsys, server, wiring, policy, trace_id):
    """A line of the matrix, for who runs ``pytest tests/policies/test_matrix.py``."""
    trace = server.trace(trace_id)
    (root,) = trace.servers
    users = sum(kept.scope == "user" for kept in trace.spans)
    with capsys.disabled():
        print(  # noqa: T201 - the matrix
            f"\n  {wiring:<15} {policy or 'default':<8} SERVER spans {len(trace.servers)}, by {root.scope:<38} "
            f"stages {len(trace.stages):>2}  user spans {users}",
            end="",
        )
