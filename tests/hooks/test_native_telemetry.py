"""FastAPI's own telemetry is skipped while nobody listens to it, and left alone when somebody does."""

import os
import subprocess
import sys

import pytest

from inferometer.testing import Collector

PROGRAM = """
import asyncio, sys
import inferometer, inferometer.auto
from fastapi import FastAPI, Request
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

exporter = InMemorySpanExporter()
app = FastAPI()
skipped = []

@app.get("/")
async def root(request: Request) -> str:
    skipped.append(request.scope.get("fastapi.telemetry", 1) is None)
    return "x"

async def one():
    async def receive():
        return {"type": "http.request"}
    async def send(message):
        pass
    await app({"type": "http", "method": "GET", "path": "/", "headers": [], "query_string": b"", "root_path": ""},
              receive, send)

async def main():
    await one()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    inferometer.flush()
    await one()

asyncio.run(main())
inferometer.flush()
kinds = [span.kind.name for span in exporter.get_finished_spans()]
print(skipped, kinds.count("SERVER"))
"""


@pytest.mark.processes
@pytest.mark.filterwarnings("default")
def test_a_provider_that_comes_later_is_noticed_at_the_next_frame(tmp_path):
    with Collector(tmp_path / "i.sock") as collector:
        ended = subprocess.run(
            [sys.executable, "-c", PROGRAM], env={**os.environ, "INFEROMETER_SIDECAR": collector.address},
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert ended.returncode == 0, ended.stderr
        assert ended.stdout.split("\n")[0] == "[True, False] 1"
        assert len(collector.wait(2)) == 2
