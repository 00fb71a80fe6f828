"""Applications that benchmarks compare: bare, with inferometer, with its peers; and one request to any of them.

A FastAPI application each, POST JSON -> pydantic -> JSON. A variant imports what it needs itself, in a process of its
own.
"""

import json
import os
import time

BODY = b'{"text": "the quick brown fox jumps over the lazy dog", "top_k": 3, "threshold": 0.25}'


def bodies():
    """What is asked and answered, as pydantic has it."""
    from pydantic import BaseModel

    class Question(BaseModel):
        text: str
        top_k: int
        threshold: float

    class Answer(BaseModel):
        labels: list[str]
        scores: list[float]

    return Question, Answer


def application():
    from fastapi import FastAPI

    asked, answered = bodies()
    app = FastAPI()

    @app.post("/predict")
    async def predict(question: asked) -> answered:
        return answered(labels=question.text.split()[: question.top_k], scores=[question.threshold] * question.top_k)

    return app


def bare():
    return application(), lambda: None


def ours():
    import inferometer
    import inferometer.auto

    return application(), lambda: inferometer.flush(10.0)


def alone():
    """Ours without a sidecar: the process holds the Intake itself; every trace is exported."""
    import inferometer
    import inferometer.auto
    from inferometer.recorder.this_process import worker

    app = application()

    def drain():
        inferometer.flush(10.0)
        while worker()._destination._local.waiting_traces:  # noqa: SLF001 - only a benchmark waits for it
            time.sleep(0.005)

    return app, drain


def metrics_middleware():
    from prometheus_fastapi_instrumentator import Instrumentator

    app = application()
    Instrumentator().instrument(app)
    return app, lambda: None


def tracer_provider():
    from opentelemetry import trace
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider()
    # A queue that never drops: what is measured is the cost of all spans.
    provider.add_span_processor(
        BatchSpanProcessor(
            OTLPSpanExporter(os.environ["OTLP_SINK"]), max_queue_size=1_000_000, schedule_delay_millis=250
        )
    )
    trace.set_tracer_provider(provider)
    return provider


def contrib():
    from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor

    provider = tracer_provider()
    app = application()
    FastAPIInstrumentor.instrument_app(app, tracer_provider=provider)
    return app, provider.force_flush


def native():
    provider = tracer_provider()
    return application(), provider.force_flush


def by_hand():
    """What a team writes today for the same breakdown: contrib, a metrics middleware and five spans of its own."""
    from fastapi import FastAPI, Request, Response
    from opentelemetry import trace
    from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
    from prometheus_fastapi_instrumentator import Instrumentator

    provider = tracer_provider()
    span = trace.get_tracer("by-hand").start_as_current_span

    asked, answered = bodies()
    app = FastAPI()

    @app.post("/predict")
    async def predict(request: Request) -> Response:
        with span("read"):
            body = await request.body()
        with span("deserialize"):
            data = json.loads(body)
        with span("validate"):
            question = asked.model_validate(data)
        with span("execute"):
            answer = answered(
                labels=question.text.split()[: question.top_k], scores=[question.threshold] * question.top_k
            )
        with span("serialize"):
            return Response(answer.model_dump_json(), media_type="application/json")

    Instrumentator().instrument(app)
    FastAPIInstrumentor.instrument_app(app, tracer_provider=provider)
    return app, provider.force_flush


VARIANTS = {
    "bare": bare,
    "inferometer": ours,
    "inferometer, no sidecar": alone,
    "prometheus-fastapi-instrumentator": metrics_middleware,
    "opentelemetry-instrumentation-fastapi": contrib,
    "FastAPI native telemetry": native,
    "by hand (contrib + metrics + 5 spans)": by_hand,
}
OURS = tuple(VARIANTS)[1:3]


async def one(app):
    scope = {
        "type": "http", "asgi": {"version": "3.0", "spec_version": "2.3"}, "http_version": "1.1", "method": "POST",
        "scheme": "http", "path": "/predict", "raw_path": b"/predict", "query_string": b"", "root_path": "",
        "headers": [
            (b"host", b"127.0.0.1:8000"), (b"user-agent", b"python-httpx/0.28.1"), (b"accept", b"*/*"),
            (b"accept-encoding", b"gzip, deflate"), (b"connection", b"keep-alive"),
            (b"content-type", b"application/json"), (b"content-length", b"%d" % len(BODY)),
        ],
        "client": ("127.0.0.1", 50000), "server": ("127.0.0.1", 8000), "state": {},
    }  # fmt: skip
    status = 0

    async def receive():
        return {"type": "http.request", "body": BODY, "more_body": False}

    async def send(sent):
        nonlocal status
        if sent["type"] == "http.response.start":
            status = sent["status"]

    await app(scope, receive, send)
    if status != 200:
        raise SystemExit(f"the application answered {status}")
