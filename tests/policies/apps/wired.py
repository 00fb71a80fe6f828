"""An application that is wired to telemetry as WIRING says, and has an endpoint for every shape of a request."""

import asyncio
import os

if os.environ.get("FIRST"):
    import inferometer.auto
from contextlib import asynccontextmanager

from fastapi import BackgroundTasks, FastAPI
from fastapi.responses import StreamingResponse
from opentelemetry import baggage, trace

WIRING = os.environ["WIRING"]
PROVIDED = os.environ.get("PROVIDED", "before")
"""When a wiring with a provider of its own sets it."""


def provider() -> trace.TracerProvider:
    """One that exports over OTLP/HTTP; the SDK is imported no earlier than its user imports it."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 - only this wiring has it
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415 - only this wiring has it
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415 - only this wiring has it

    made = TracerProvider()
    made.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(), schedule_delay_millis=100))
    return made


def provide() -> None:
    """Set a provider."""
    trace.set_tracer_provider(provider())


if WIRING in {"contrib", "native", "outside", "provider"} and PROVIDED == "before":
    provide()


@asynccontextmanager
async def lifespan(_):
    """Some set their provider when the server starts."""
    if PROVIDED == "lifespan":
        provide()
    yield


# FastAPI's own telemetry is on unless it is switched off, as who wires a provider by hand may do.
native = {"tracing": WIRING != "provider"}
if WIRING == "explicit":
    native["tracer_provider"] = provider()
app = FastAPI(lifespan=lifespan, telemetry=native)

import inferometer  # noqa: E402 - after what must be set before
import inferometer.auto  # noqa: E402 - after what must be set before

if PROVIDED == "after":
    provide()
if WIRING == "contrib":
    from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor

    FastAPIInstrumentor.instrument_app(app)
if WIRING == "instrumentator":
    from prometheus_fastapi_instrumentator import Instrumentator

    Instrumentator().instrument(app).expose(app)

tracer = trace.get_tracer("user")


@app.get("/work")
async def work() -> dict[str, object]:
    """A span of the user's, with one inside, and a stage of ours."""
    with tracer.start_as_current_span("user-work"):
        with tracer.start_as_current_span("user-inner"):
            await asyncio.sleep(0.002)
        with inferometer.stage("preprocess"):
            await asyncio.sleep(0.002)
    inferometer.annotate(model="m1", tenant="acme")
    return {"baggage": dict(baggage.get_all())}


@app.get("/sync")
def sync() -> str:
    """In a thread."""
    with tracer.start_as_current_span("user-work"):
        return "x"


@app.get("/stream")
async def stream() -> StreamingResponse:
    """A span around each part."""

    async def parts():
        for _ in range(3):
            with tracer.start_as_current_span("user-part"):
                await asyncio.sleep(0.002)
            yield b"x"

    return StreamingResponse(parts())


@app.get("/endless")
async def endless() -> StreamingResponse:
    """Parts, each with a span, until the client leaves."""

    async def parts():
        while True:
            with tracer.start_as_current_span("user-part"):
                await asyncio.sleep(0.002)
            yield b"x"

    return StreamingResponse(parts())


@app.get("/bug")
async def bug() -> None:
    """Raises inside a span of the user's."""
    with tracer.start_as_current_span("user-work"):
        raise RuntimeError("theirs")


@app.get("/later")
async def later(tasks: BackgroundTasks) -> str:
    """A span of the user's after the answer."""

    async def task() -> None:
        with tracer.start_as_current_span("user-task"):
            await asyncio.sleep(0.01)

    tasks.add_task(task)
    return "now"


@app.get("/plain")
async def plain() -> str:
    """Nothing of the user's."""
    return "x"


@app.get("/provide")
async def set_provider() -> str:
    """A provider that comes during traffic."""
    provide()
    return "x"


sub = FastAPI(telemetry=native)


@sub.get("/work")
async def sub_work() -> str:
    """Of a mounted application."""
    with tracer.start_as_current_span("user-work"):
        return "x"


app.mount("/sub", sub)

outer = app
if WIRING == "outside":
    from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware

    outer = OpenTelemetryMiddleware(app)
