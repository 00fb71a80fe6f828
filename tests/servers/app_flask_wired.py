"""A Flask application that is wired to telemetry as WIRING says. LAST: the one line stands after the wiring."""

import os

if not os.environ.get("LAST"):
    import inferometer.auto
from flask import Flask, Response, stream_with_context
from opentelemetry import trace

WIRING = os.environ["WIRING"]


def provide() -> None:
    """Set a provider that exports over OTLP/HTTP."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 - only these wirings have it
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415 - only these wirings have it
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415 - only these wirings have it

    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(), schedule_delay_millis=100))
    trace.set_tracer_provider(provider)


app = Flask(__name__)
if WIRING in {"contrib", "middleware", "provider"}:
    provide()
if WIRING == "contrib":
    from opentelemetry.instrumentation.flask import FlaskInstrumentor

    FlaskInstrumentor().instrument_app(app)
if WIRING == "middleware":
    from opentelemetry.instrumentation.wsgi import OpenTelemetryMiddleware

    app.wsgi_app = OpenTelemetryMiddleware(app.wsgi_app)
if WIRING == "exporter":
    from prometheus_flask_exporter import PrometheusMetrics

    PrometheusMetrics(app)

import inferometer  # noqa: E402 - after what must be set before
import inferometer.auto  # noqa: E402 - after what must be set before

tracer = trace.get_tracer("user")


@app.get("/up")
def up() -> str:
    """Is asked until the server is there."""
    return "up"


@app.get("/work")
def work() -> dict[str, str]:
    """A span of the user's, with one inside, and a stage of ours."""
    with tracer.start_as_current_span("user-work"), tracer.start_as_current_span("user-inner"):
        with inferometer.stage("preprocess"):
            pass
        inferometer.annotate(model="m1")
    return {"model": "m1"}


@app.get("/stream")
def stream() -> Response:
    """A span around each part."""

    def parts():
        for _ in range(3):
            with tracer.start_as_current_span("user-part"):
                yield b"x"

    return Response(stream_with_context(parts()))


@app.get("/bug")
def bug() -> None:
    """Raises inside a span of the user's."""
    with tracer.start_as_current_span("user-work"):
        raise RuntimeError("theirs")


@app.get("/plain")
def plain() -> str:
    """Nothing of the user's."""
    return "x"
