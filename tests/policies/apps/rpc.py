"""A gRPC server, threaded or asynchronous as KIND says, wired to telemetry as WIRING says."""

import asyncio
import os
import signal
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import grpc
import grpc.aio
from opentelemetry import trace

import inferometer
import inferometer.auto

WIRING, KIND = os.environ["WIRING"], os.environ["KIND"]
PORT = sys.argv[sys.argv.index("--port") + 1]

if WIRING in {"contrib", "provider"}:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(), schedule_delay_millis=100))
    trace.set_tracer_provider(provider)
if WIRING == "contrib":
    from opentelemetry.instrumentation.grpc import GrpcAioInstrumentorServer, GrpcInstrumentorServer

    GrpcAioInstrumentorServer().instrument() if KIND == "aio" else GrpcInstrumentorServer().instrument()

tracer = trace.get_tracer("user")


def work(request: bytes, context: object) -> bytes:
    """A span of the user's."""
    with tracer.start_as_current_span("user-work"):
        return request


async def work_aio(request: bytes, context: object) -> bytes:
    """A span of the user's, around a wait."""
    with tracer.start_as_current_span("user-work"):
        await asyncio.sleep(0.001)
        return request


def handlers(behaviour: object) -> tuple[grpc.GenericRpcHandler]:
    """One method."""
    methods = {"Predict": grpc.unary_unary_rpc_method_handler(behaviour)}
    return (grpc.method_handlers_generic_handler("test.Model", methods),)


def serve() -> None:
    """Threads."""
    server = grpc.server(ThreadPoolExecutor(4))
    server.add_generic_rpc_handlers(handlers(work))
    server.add_insecure_port(f"127.0.0.1:{PORT}")
    server.start()
    over = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: over.set())
    over.wait()
    server.stop(1).wait()


async def serve_aio() -> None:
    """One event loop."""
    server = grpc.aio.server()
    server.add_generic_rpc_handlers(handlers(work_aio))
    server.add_insecure_port(f"127.0.0.1:{PORT}")
    await server.start()
    over = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, over.set)
    await over.wait()
    await server.stop(1)


if KIND == "aio":
    asyncio.run(serve_aio())
else:
    serve()
inferometer.flush()
