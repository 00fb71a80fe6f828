"""Spans of others, from real exporters through a real sidecar to a trace store and into a waterfall."""

import base64
import gzip
import json
import secrets
import time

import grpc
import pytest
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcExporter
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExportResult

from inferometer.catalog import spans


def http_exporter(sidecar, compression):
    url = f"http://127.0.0.1:{sidecar.ports['otlp-http']}/v1/traces"
    return HttpExporter(endpoint=url, compression=compression)


def grpc_exporter(sidecar, compression):
    return GrpcExporter(endpoint=f"127.0.0.1:{sidecar.ports['otlp-grpc']}", insecure=True, compression=compression)


@pytest.mark.parametrize(
    ("exporter", "compression"),
    [
        (http_exporter, Compression.NoCompression),
        (http_exporter, Compression.Gzip),
        (grpc_exporter, grpc.Compression.NoCompression),
        (grpc_exporter, grpc.Compression.Gzip),
    ],
    ids=["http", "http gzip", "grpc", "grpc gzip"],
)
def test_what_opentelemetry_exports_reaches_the_trace_store_whole(sidecar, store, make, exporter, compression):
    name = f"job {secrets.token_hex(4)}"
    provider = TracerProvider(resource=Resource({"service.name": "worker"}), shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter(sidecar, compression)))
    with provider.get_tracer("t").start_as_current_span(name) as span:
        span.set_attribute("answer", 42)
    provider.shutdown()

    (found,) = make.wait(lambda: [one for one in store.spans() if one.name == name])
    assert found.trace_id == span.get_span_context().trace_id
    assert found.attributes["answer"] == 42


def test_json_is_taken_as_protobuf_is(sidecar, store, make):
    name, trace, own = f"json {secrets.token_hex(4)}", secrets.token_hex(16), secrets.token_hex(8)
    now = time.time_ns()
    body = {
        "resourceSpans": [{
            "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "js"}}]},
            "scopeSpans": [{"spans": [{
                "traceId": trace, "spanId": own, "name": name, "kind": 2, "unknownField": {"a": [1]},
                "startTimeUnixNano": str(now - 10**9), "endTimeUnixNano": str(now),
                "attributes": [{"key": "n", "value": {"intValue": "7"}}],
                "links": [{"traceId": trace, "spanId": own}],
            }]}],
        }]
    }  # fmt: skip
    data = gzip.compress(json.dumps(body).encode())
    status, headers, answer = make.post(
        sidecar.ports["otlp-http"],
        data,
        {"content-type": "application/json; charset=utf-8", "content-encoding": "gzip"},
    )

    assert (status, headers["content-type"], json.loads(answer)) == (200, "application/json", {})
    (found,) = make.wait(lambda: [one for one in store.spans() if one.name == name])
    assert (found.trace_id, found.span_id) == (int(trace, 16), int(own, 16))
    assert found.attributes["n"] == 7
    assert found.links == [(int(trace, 16), int(own, 16))]


def test_spans_that_are_none_are_named_in_a_partial_success_and_the_others_are_taken(sidecar, store, make):
    name = f"good {secrets.token_hex(4)}"
    before = sidecar.value("inferometer_dropped_total", component="receiver", reason="undecodable")
    request = make.request([{"name": name}, {"name": "bad"}, {"name": "worse"}])
    bad, worse = request.resource_spans[0].scope_spans[0].spans[1:]
    bad.trace_id = bytes(16)
    worse.span_id = b"abc"
    status, _, answer = make.post(sidecar.ports["otlp-http"], request.SerializeToString())

    partial = ExportTraceServiceResponse.FromString(answer).partial_success
    assert (status, partial.rejected_spans) == (200, 2)
    assert "a trace id of 16 bytes" in partial.error_message
    make.wait(lambda: [one for one in store.spans() if one.name == name])
    assert not [one for one in store.spans() if one.name in {"bad", "worse"}]
    make.wait(
        lambda: sidecar.value("inferometer_dropped_total", component="receiver", reason="undecodable") == before + 2
    )


def test_a_resource_is_told_the_host_and_region_that_it_lacks_and_keeps_what_it_has(sidecar, store, make):
    bare = make.request([{}], service="")
    named = make.request([{}], service="engine")
    pair = named.resource_spans[0].resource.attributes.add()
    pair.key, pair.value.string_value = spans.HOST_NAME.name, "pod-1"
    before = len(store.resources())
    for request in (bare, named):
        make.post(sidecar.ports["otlp-http"], request.SerializeToString())

    first, second = make.wait(lambda: store.resources()[before:] if len(store.resources()) >= before + 2 else None)
    assert first == {"service.name": "unknown_service", "host.name": "box", "cloud.region": "here"}
    assert second == {"service.name": "engine", "host.name": "pod-1", "cloud.region": "here"}


def test_a_span_below_a_request_is_told_what_it_cost_and_stands_in_its_waterfall(sidecar, store, make, new_worker):
    trace, own, child, grandchild = (secrets.randbits(63) | 1 for _ in range(4))
    worker = new_worker(make.unix(sidecar.folder / "s.sock"))
    now = time.monotonic_ns()
    ran = make.execute_row(own, now - 50_000_000, now - 10_000_000)
    worker.send(requests=make.request_row(own, now - 60_000_000, now, trace=trace), executes=ran)
    start = time.time_ns() - 40_000_000
    told = make.request(
        [
            {"trace_id": trace, "span_id": child, "parent_id": own, "name": "SELECT", "start": start, "kind": 3},
            {"trace_id": trace, "span_id": grandchild, "parent_id": child, "name": "fetch", "start": start},
            {"trace_id": trace, "name": "loose", "start": start},
        ]
    )
    make.post(sidecar.ports["otlp-http"], told.SerializeToString())
    worker.send()

    make.wait(lambda: {"SELECT", "fetch", "loose"} <= {one.name for one in store.spans() if one.trace_id == trace})
    found = {one.name: one.attributes for one in store.spans() if one.trace_id == trace}
    for name in ("SELECT", "fetch"):
        assert found[name][spans.REQUEST_SPAN.name] == f"{own:016x}"
        assert found[name][spans.MODEL_NAME.name] == "minilm"
        assert found[name][spans.DEVICE_SECONDS.name] == pytest.approx(0.04)
        assert found[name][spans.COST_METHOD.name]
    assert spans.REQUEST_SPAN.name not in found["loose"]
    # The last pass made it durable; then it is in the waterfall.
    answer = make.wait(lambda: (got := sidecar.trace(trace)) and len(got["spans"]) == 3 and got)
    by_name = {one["name"]: one for one in answer["spans"]}
    assert by_name["SELECT"]["request_span_id"] == f"{own:016x}"
    assert by_name["loose"]["request_span_id"] == ""
    assert by_name["SELECT"]["service"] == "engine"
    assert -1 < by_name["SELECT"]["start_seconds"] < 1


def test_a_server_span_of_a_model_becomes_a_record_once_however_often_it_is_sent(sidecar, make):
    model, trace = f"llama-{secrets.token_hex(4)}", secrets.randbits(127) | 1
    now = time.time_ns()
    attributes = {
        "gen_ai.response.model": model, "gen_ai.usage.prompt_tokens": 100, "gen_ai.usage.output_tokens": 20,
    }  # fmt: skip
    body = make.request(
        [
            {"trace_id": trace, "name": "llm_request", "kind": 2, "start": now - 3 * 10**9, "end": now - 10**9,
             "attributes": attributes},
            {"name": "llm_request", "kind": 2, "attributes": attributes, "failed": True},
            {"name": "no model", "kind": 2},
            {"name": "llm_request", "kind": 1, "attributes": attributes},
        ],
        service="vllm",
    ).SerializeToString()  # fmt: skip
    for _ in range(2):
        make.post(sidecar.ports["otlp-http"], body)

    make.wait(lambda: sidecar.value("inference_requests_total", model=model) == 2)
    # Its second sending is held as long as the first; the count stays.
    make.wait(lambda: sidecar.value("inferometer_spans_forwarded_total") >= 8)
    assert sidecar.value("inference_requests_total", model=model, outcome="ok", entry="true") == 1
    assert sidecar.value("inference_requests_total", model=model, outcome="server_error") == 1
    assert sidecar.value("inference_tokens_total", model=model, direction="input") == 200
    assert sidecar.value("inference_request_duration_seconds_sum", model=model) == pytest.approx(3.0)
    (hop,) = make.wait(lambda: (got := sidecar.trace(trace)) and got["hops"])
    assert (hop["model"], hop["tokens_in"], hop["tokens_out"], hop["cost_usd"]) == (model, 100, 20, None)


def test_spans_of_this_library_are_sent_on_but_neither_stored_nor_recorded(sidecar, store, make):
    model, trace, own = f"ours-{secrets.token_hex(4)}", secrets.randbits(63) | 1, secrets.randbits(63) | 1
    span = {"trace_id": trace, "span_id": own, "kind": 2, "attributes": {"gen_ai.response.model": model}}
    before = sidecar.value("inferometer_spans_stored_total")
    make.post(sidecar.ports["otlp-http"], make.request([span], scope="inferometer").SerializeToString())

    make.wait(lambda: [one for one in store.spans() if one.span_id == own])
    assert sidecar.value("inference_requests_total", model=model) == 0
    assert sidecar.value("inferometer_spans_stored_total") == before


def test_a_server_span_of_a_request_that_its_own_worker_recorded_is_no_second_request(sidecar, store, make, new_worker):
    trace, own = secrets.randbits(63) | 1, secrets.randbits(63) | 1
    worker = new_worker(make.unix(sidecar.folder / "s.sock"))
    now = time.monotonic_ns()
    worker.send(requests=make.request_row(own, now - 60_000_000, now, trace=trace))
    span = {"trace_id": trace, "span_id": own, "kind": 2, "attributes": {"gen_ai.response.model": "twice"}}
    make.post(sidecar.ports["otlp-http"], make.request([span]).SerializeToString())
    worker.send()

    make.wait(lambda: [one for one in store.spans() if one.span_id == own])
    found = make.wait(lambda: sidecar.trace(trace))
    assert (len(found["hops"]), found["spans"]) == (1, [])
    assert sidecar.value("inference_requests_total", model="twice") == 0


@pytest.mark.parametrize(
    ("path", "method", "headers", "status", "why"),
    [
        ("/v1/metrics", "POST", {}, 404, b"takes traces only"),
        ("/v1/logs", "POST", {}, 404, b"takes traces only"),
        ("/", "POST", {}, 404, b"spans go to /v1/traces"),
        ("/v1/traces", "GET", {}, 405, b"POST is right"),
        ("/v1/traces", "POST", {"content-type": "text/plain"}, 415, b"application/x-protobuf or application/json"),
        ("/v1/traces", "POST", {"content-encoding": "br"}, 415, b"gzip or none is right"),
        ("/v1/traces", "POST", {"content-encoding": "gzip"}, 400, b"no gzip"),
        ("/v1/traces", "POST", {"content-length": "99999999"}, 413, b"at most 4194304 bytes"),
    ],
)
def test_what_is_not_taken_over_http_is_refused_with_what_is_right(sidecar, make, path, method, headers, status, why):
    got, _, body = make.post(sidecar.ports["otlp-http"], b"xxxx", headers, path, method)

    assert got == status
    assert why in body


@pytest.mark.parametrize(
    ("method", "body", "code", "why"),
    [
        ("metrics.v1.MetricsService/Export", b"", grpc.StatusCode.UNIMPLEMENTED, "takes traces only"),
        ("logs.v1.LogsService/Export", b"", grpc.StatusCode.UNIMPLEMENTED, "takes traces only"),
        ("trace.v1.TraceService/Export", b"\xff\xff", grpc.StatusCode.INVALID_ARGUMENT, "no ExportTraceServiceRequest"),
        ("trace.v1.TraceService/Export", b"\x1f\x8bxx", grpc.StatusCode.INVALID_ARGUMENT, "no gzip"),
        ("trace.v1.TraceService/Export", bytes(5 << 20), grpc.StatusCode.RESOURCE_EXHAUSTED, "larger than max"),
    ],
)
def test_what_is_not_taken_over_grpc_is_refused_with_what_is_right(sidecar, method, body, code, why):
    with grpc.insecure_channel(f"127.0.0.1:{sidecar.ports['otlp-grpc']}") as channel:
        call = channel.unary_unary(f"/opentelemetry.proto.collector.{method}")
        with pytest.raises(grpc.RpcError) as caught:
            call(body, timeout=20)

    assert caught.value.code() is code
    assert why in caught.value.details()


def test_a_refusal_in_json_is_json(sidecar, make):
    status, headers, body = make.post(sidecar.ports["otlp-http"], b"[1]", {"content-type": "application/json"})

    assert (status, headers["content-type"]) == (400, "application/json")
    assert "a JSON object is right" in json.loads(body)["message"]


def test_ids_in_json_that_are_no_hexadecimal_are_refused_and_not_guessed(sidecar, make):
    span = {"traceId": base64.b64encode(bytes(16)).decode(), "spanId": "zz"}
    body = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}).encode()
    status, _, answer = make.post(sidecar.ports["otlp-http"], body, {"content-type": "application/json"})

    assert status == 400
    assert b"hexadecimal" in answer


def test_an_exporter_counts_a_success_where_there_was_one(sidecar):
    exporter = http_exporter(sidecar, Compression.Gzip)
    assert exporter.export([]) is SpanExportResult.SUCCESS
    exporter.shutdown()
