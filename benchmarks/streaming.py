"""What telemetry costs a chunk of a stream: CPU ns added by inferometer and by OpenTelemetry's contrib, in one run.

A FastAPI endpoint streams chat completions of 10,000 tokens, one server-sent event a chunk; it is called in process.
Each variant lives in a process of its own; rounds go around all of them, so that a slow minute of the host hits every
variant. The time is that of the thread that serves (thread_time), without the flusher. Ours sends its records to a
collector; contrib's spans are only counted, not exported: what they cost here is the least that they can cost. Half of
what ours adds is one more coroutine and the two clock readings around each send.

    python benchmarks/streaming.py [--rounds 15] [--chunks 10000] [--json]
"""

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from inferometer.testing import Collector

REACH_NS = 1_000


def application(chunks: int):
    from fastapi import FastAPI
    from fastapi.responses import StreamingResponse

    app = FastAPI()
    role = event({"role": "assistant", "content": ""})
    before, after = event({"content": "|"}).split(b"|")
    usage = {"prompt_tokens": 9, "completion_tokens": chunks - 3, "total_tokens": chunks + 6}
    last = b"data: " + json.dumps({"object": "chat.completion.chunk", "choices": [], "usage": usage}).encode() + b"\n\n"

    @app.post("/v1/chat/completions")
    async def complete() -> StreamingResponse:
        async def parts():
            yield role
            for number in range(chunks - 3):
                # As fast as a chunk can be made: most servers call json.dumps here.
                yield b"%s token%d%s" % (before, number, after)
            yield last
            yield b"data: [DONE]\n\n"

        return StreamingResponse(parts(), media_type="text/event-stream")

    return app


def event(delta: dict[str, str]) -> bytes:
    chunk = {
        "id": "chatcmpl-8f14e45fceea167a5a36dedd4bea2543", "object": "chat.completion.chunk", "created": 1_760_000_000,
        "model": "m", "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": None}],
    }  # fmt: skip
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"


def bare(chunks: int):
    return application(chunks), lambda: 0


def ours(chunks: int):
    import inferometer
    import inferometer.auto

    def drained() -> int:
        inferometer.flush(10.0)
        return 0

    return application(chunks), drained


def counted():
    from opentelemetry.sdk.trace import SpanProcessor, TracerProvider

    class Counter(SpanProcessor):
        number = 0

        def on_end(self, span: object) -> None:  # noqa: ARG002 - counted, whatever it is
            self.number += 1

    counter, provider = Counter(), TracerProvider()
    provider.add_span_processor(counter)
    return counter, provider


def contrib(chunks: int, exclude: list[str] | None = None):
    from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor

    counter, provider = counted()
    app = application(chunks)
    FastAPIInstrumentor.instrument_app(app, tracer_provider=provider, exclude_spans=exclude)
    return app, lambda: counter.number


def contrib_without_messages(chunks: int):
    return contrib(chunks, ["send", "receive"])


VARIANTS = {
    "bare": bare,
    "inferometer": ours,
    "contrib": contrib,
    "contrib, exclude_spans=send,receive": contrib_without_messages,
}


async def serve(name: str, chunks: int) -> None:
    app, drain = VARIANTS[name](chunks)
    for line in sys.stdin:
        if not line.strip():
            break
        before = time.thread_time_ns()
        await one(app)
        spent = time.thread_time_ns() - before
        print(spent, drain(), flush=True)


async def one(app) -> None:
    scope = {
        "type": "http", "asgi": {"version": "3.0", "spec_version": "2.4"}, "http_version": "1.1", "method": "POST",
        "scheme": "http", "path": "/v1/chat/completions", "raw_path": b"/v1/chat/completions", "query_string": b"",
        "root_path": "", "headers": [(b"host", b"127.0.0.1:8000")], "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", 8000), "state": {},
    }  # fmt: skip

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message):
        pass

    await app(scope, receive, send)


def measure(rounds: int, chunks: int) -> tuple[dict[str, float], dict[str, float], list[tuple[int, int, int]]]:
    """CPU ns per chunk by variant, spans per stream, and (chunks, gaps, rows of gaps) of our records."""
    with tempfile.TemporaryDirectory() as folder, Collector(Path(folder) / "intake.sock") as collector:
        environ = {**os.environ, "INFEROMETER_SIDECAR": collector.address}
        processes = {
            name: subprocess.Popen(
                [sys.executable, __file__, "--variant", name, "--chunks", str(chunks)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environ,
            )
            for name in VARIANTS
        }  # fmt: skip
        taken: dict[str, list[int]] = {name: [] for name in VARIANTS}
        spans: dict[str, float] = {}
        try:
            for number in range(rounds + 2):
                for name, process in processes.items():
                    process.stdin.write("go\n")
                    process.stdin.flush()
                    spent, ended = map(int, process.stdout.readline().split())
                    spans[name] = ended / (number + 1)
                    if number >= 2:  # two rounds to warm up
                        taken[name].append(spent)
                print(f"\rround {number + 1} of {rounds + 2}", end="", file=sys.stderr, flush=True)
        finally:
            print(file=sys.stderr)
            for process in processes.values():
                process.kill()
                process.wait()
        records = [
            (record.chunks, sum(count for _, count in record.gaps), len(record.gaps)) for record in collector.records
        ]
    return {name: statistics.median(times) / chunks for name, times in taken.items()}, spans, records


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--chunks", type=int, default=10_000, help="per stream")
    parser.add_argument("--json", action="store_true", help="print medians as JSON")
    parser.add_argument("--variant", choices=VARIANTS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.variant:
        asyncio.run(serve(arguments.variant, arguments.chunks))
        return
    times, spans, records = measure(arguments.rounds, arguments.chunks)
    base = times["bare"]
    if arguments.json:
        print(json.dumps({"chunk_ns": times, "spans_per_stream": spans, "records": records}))
        return
    print(f"{'CPU ns per chunk':40} {'all':>8} {'added':>8} {'ours is':>9} {'spans':>7}")
    mine = times["inferometer"] - base
    for name, spent in times.items():
        added = spent - base
        ratio = f"{mine / added:8.3f}x" if name.startswith("contrib") else ""
        print(f"{name:40} {spent:8.0f} {added:8.0f} {ratio:>9} {spans[name]:7.0f}")
    print(f"{mine:.0f} ns added per chunk (reach: <= {REACH_NS})")
    chunks, gaps, rows = records[-1]
    print(f"one record of {chunks} chunks and {gaps} times between tokens in {rows} rows")


if __name__ == "__main__":
    main()
