"""A worker and OpenTelemetry in this process, and what both have of a request."""

from hooks_out import take_out
from opentelemetry.sdk import trace as sdk
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_ON

from inferometer.hooks.otel import sdk as sdk_hook
from inferometer.hooks.otel.api import provided
from inferometer.recorder.frames import FrameMaker
from inferometer.recorder.request import OpenRequest, current_request
from inferometer.recorder.worker import Worker
from inferometer.settings import Settings
from inferometer.wire.frame import decode
from inferometer.wire.records import records

PARENT = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
TRACE = 0x0AF7651916CD43DD8448EB211C80319C


class Bench:
    """A worker that OpenTelemetry's SDK is hooked for, and a provider that keeps its spans."""

    def __init__(self, policy=None, *, sampler=ALWAYS_ON, is_global=True) -> None:
        self.worker = Worker(Settings(service="svc", host="box", traces=policy))
        self.worker.started = True
        self.exporter = InMemorySpanExporter()
        self.provider = TracerProvider(sampler=sampler, shutdown_on_exit=False)
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.tracer = self.provider.get_tracer("user")
        sdk_hook.install(self.worker, sdk, "opentelemetry.sdk")
        if is_global:
            provided(self.worker, self.provider)
        self.maker = FrameMaker(self.worker)

    def request(self, *headers) -> OpenRequest:
        request = OpenRequest(self.worker, headers)
        current_request.set(request)
        return request

    def flush(self):
        """(records of the next frame, finished spans)."""
        _, frame = self.maker.make()
        self.worker.tracing.sent(frame, self.worker.shapes.all)
        names = self.worker.shapes.all()
        return list(records(decode(frame), names)), self.exporter.get_finished_spans()

    def close(self) -> None:
        current_request.set(None)
        take_out(self.worker)
