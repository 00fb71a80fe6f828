"""Providers that come late, samplers that say no, spans that nobody expects."""

import http.client
import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

CALLER = "00f067aa0ba902b7"


def one_server(server, trace_id, owner):
    trace = server.trace(trace_id)
    (root,) = trace.servers
    assert (root.scope, root.parent) == (owner, CALLER), trace
    assert trace.orphans(CALLER) == [], trace
    assert {stage.parent for stage in trace.stages} == {root.id}, trace
    return trace


@pytest.mark.parametrize("provided", ["before", "after", "lifespan"])
@pytest.mark.parametrize("first", ["1", ""], ids=["the line first", "the line last"])
def test_the_policy_follows_a_provider_whenever_it_is_set(wired, provided, first):
    server = wired("native", PROVIDED=provided, FIRST=first)
    trace_id, _ = server.ask("/work")
    server.stop()

    trace = one_server(server, trace_id, "fastapi")
    assert trace.named("user-work")


def test_a_provider_that_comes_during_traffic_owns_the_requests_after_it(wired):
    server = wired("native", PROVIDED="never")
    before, _ = server.ask("/work")
    server.ask("/provide")
    after, _ = server.ask("/work")
    server.stop()

    assert not one_server(server, before, "inferometer").named("user-work")
    assert one_server(server, after, "fastapi").named("user-work")


@pytest.mark.parametrize("wiring", ["contrib", "native", "provider"])
def test_what_the_users_sampler_leaves_out_has_no_spans_of_ours(wired, wiring):
    server = wired(wiring)
    out, _ = server.ask("/work", flags="00")
    kept, _ = server.ask("/work", flags="01")
    server.stop()

    assert server.trace(out).spans == []
    assert server.trace(kept).stages


def test_without_spans_from_us_the_users_are_as_they_would_be(wired):
    server = wired("native", "off")
    trace_id, _ = server.ask("/work")
    page = metrics(server)
    server.stop()

    trace = server.trace(trace_id)
    (root,) = trace.servers
    assert (root.scope, trace.stages) == ("fastapi", [])
    assert trace.named("user-work")[0].scope == "user"
    assert "inference_requests_total{" in page


def test_nothing_is_exported_where_there_is_no_provider_and_no_spans_are_wanted(wired):
    server = wired("nothing", "off")
    server.ask("/work")
    server.ask("/bug")
    page = metrics(server, lambda text: 'outcome="server_error"' in text)
    server.stop()

    assert server.receiver.traces == {}
    assert 'inference_request_duration_seconds_count{service="wired",model="m1"' in page
    assert "trace_id" not in page


def test_an_exemplar_points_at_the_users_trace_if_it_is_sampled(wired):
    server = wired("native")
    kept, _ = server.ask("/work", flags="01")
    out, _ = server.ask("/work", flags="00")
    page = metrics(server, lambda text: kept in text)
    server.stop()

    assert kept in page
    assert out not in page


def metrics(server, wanted=lambda text: "inference_requests_total{" in text):
    """The page of the process's own intake, once it is as wanted."""
    where = server.log.parent / "run" / "intake.json"
    deadline = time.monotonic() + 30
    while True:
        if where.exists():
            port = json.loads(where.read_text())["metrics_port"]
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", "/metrics", headers={"Accept": "application/openmetrics-text"})
            text = connection.getresponse().read().decode()
            connection.close()
            if wanted(text):
                return text
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize("policy", ["own", ""], ids=["own", "default"])
def test_baggage_of_the_caller_is_there_for_the_application(wired, policy):
    server = wired("native", policy)
    _, body = server.ask("/work", headers={"baggage": "team=blue"})

    assert json.loads(body)["baggage"] == {"team": "blue"}


@pytest.mark.parametrize("policy", ["own", "augment", ""], ids=["own", "augment", "default"])
@pytest.mark.parametrize("wiring", ["explicit", "outside"])
def test_a_provider_of_the_application_alone_and_a_middleware_around_it_are_found(wired, wiring, policy):
    server = wired(wiring, policy, app="wired:outer")
    asked = [server.ask(path)[0] for path in ("/work", "/sub/work", "/stream")]
    server.stop()

    # Around the application it cannot be known yet that the request will be recorded.
    theirs = {"outside": "opentelemetry.instrumentation.asgi", "explicit": "fastapi"}[wiring]
    owner = "inferometer" if (wiring, policy) == ("explicit", "own") else theirs
    for trace_id in asked:
        one_server(server, trace_id, owner)


@pytest.mark.parametrize("policy", ["own", ""], ids=["own", "default"])
@pytest.mark.parametrize("wiring", ["contrib", "native", "provider"])
def test_a_client_that_leaves_a_stream_leaves_no_span_open_and_no_complaint(wired, wiring, policy):
    server = wired(wiring, policy)
    trace_id = "a" * 32
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    connection.request("GET", "/endless", headers={"traceparent": f"00-{trace_id}-{CALLER}-01"})
    connection.getresponse().read(5)
    connection.close()
    log = server.stop()

    trace = server.trace(trace_id)
    (root,) = trace.servers
    assert trace.orphans(CALLER) == [], trace
    assert trace.stages
    assert {stage.parent for stage in trace.stages} == {root.id}
    assert "detach" not in log


def test_every_one_of_many_requests_has_its_spans(wired):
    # OpenTelemetry's batch processor keeps 2,048 spans by default; ours of more than 256 requests a frame are dropped.
    server = wired("native", OTEL_BSP_MAX_QUEUE_SIZE="65536")
    with ThreadPoolExecutor(8) as pool:
        asked = list(pool.map(lambda number: server.ask("/work", number=number)[0], range(1, 251)))
    server.stop()

    for trace_id in asked:
        assert len(one_server(server, trace_id, "fastapi").stages) >= 5


def test_workers_that_are_forked_with_a_provider_have_their_spans(wired):
    gunicorn = (sys.executable, str(Path(__file__).parent / "apps" / "forked.py"))
    server = wired("native", command=gunicorn)
    asked = [server.ask("/work")[0] for _ in range(12)]
    server.stop()

    for trace_id in asked:
        one_server(server, trace_id, "fastapi")


def test_what_only_the_request_knows_is_on_the_users_server_span(wired):
    server = wired("native")
    trace_id, _ = server.ask("/work")
    server.stop()

    (root,) = server.trace(trace_id).servers
    assert root.attributes["inference.model.name"] == "m1"
    assert root.attributes["inference.tenant"] == "acme"
