"""Flask beside other telemetry: exactly one SERVER span per request, the user's spans and our stages below it."""

import pytest
from policies_receiver import Receiver

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]
CALLER = "00f067aa0ba902b7"
PATHS = ("/work", "/stream", "/bug", "/plain")
GUNICORN = ("{python}", "-m", "gunicorn", "--bind", "127.0.0.1:{port}", "-k", "gthread", "app_flask_wired:app")
INSTRUMENTED = ("{home}/bin/opentelemetry-instrument", *GUNICORN)
SERVER_BY = {
    "contrib": "opentelemetry.instrumentation.flask",
    "instrument": "opentelemetry.instrumentation.flask",
    "middleware": "opentelemetry.instrumentation.wsgi",
}
"""Whose SERVER span it is under ``augment``; ours where nobody else makes one, and under ``own``."""
CASES = [
    *((wiring, "") for wiring in ("nothing", "contrib", "instrument", "middleware", "provider", "exporter")),
    ("contrib", "1"),
    ("middleware", "1"),
]
"""What else there is, and whether the one line stands after it."""


@pytest.fixture
def receiver():
    made = Receiver()
    yield made
    made.close()


@pytest.mark.parametrize("policy", ["own", "augment"])
@pytest.mark.parametrize(("wiring", "last"), CASES)
def test_a_request_has_one_server_span_and_everything_else_is_below_it(start, receiver, wiring, last, policy):
    server = start(
        "flask", *(INSTRUMENTED if wiring == "instrument" else GUNICORN), ready="/up", INFEROMETER_TRACES=policy,
        WIRING=wiring, LAST=last, INFEROMETER_SIDECAR="", INFEROMETER_RUNTIME_DIR="{folder}/run",
        INFEROMETER_METRICS="127.0.0.1:0", OTEL_SERVICE_NAME="wired", OTEL_METRICS_EXPORTER="none",
        OTEL_LOGS_EXPORTER="none", OTEL_TRACES_EXPORTER="otlp", OTEL_EXPORTER_OTLP_PROTOCOL="http/protobuf",
        OTEL_BSP_SCHEDULE_DELAY="100", OTEL_EXPORTER_OTLP_ENDPOINT=receiver.endpoint,
    )  # fmt: skip
    for number, path in enumerate(PATHS, 1):
        server.ask(path, headers={"traceparent": f"00-{number:032x}-{CALLER}-01"})
    server.stop()

    owner = "inferometer" if policy == "own" else SERVER_BY.get(wiring, "inferometer")
    for number, path in enumerate(PATHS, 1):
        trace = receiver.traces[f"{number:032x}"]
        (root,) = trace.servers
        assert (root.parent, root.scope) == (CALLER, owner), trace
        assert trace.orphans(CALLER) == [], trace
        assert trace.stages, trace
        assert {stage.parent for stage in trace.stages} == {root.id}, trace
        users = [kept for kept in trace.spans if kept.scope == "user"]
        assert bool(users) == (path != "/plain" and wiring not in {"nothing", "exporter"}), trace
        assert all(one.parent == root.id or one.name == "user-inner" for one in users), trace
    assert "Failed to detach" not in server.log()
