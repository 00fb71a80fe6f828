"""Requests in many threads at once: each is one record, none twice, none lost."""

import asyncio
import random
import threading

from inferometer.recorder.asgi import recording
from inferometer.recorder.marks import annotate, stage

THREADS = 8
REQUESTS = 300


def test_each_request_of_every_thread_is_one_record(bench):
    async def app(scope, receive, send):
        annotate(model=scope["path"])
        with stage("preprocess"):
            await receive()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def receive():
        return {"type": "http.request", "body": b""}

    async def send(message):
        pass

    recorded = recording(bench.worker, lambda _, *asgi: app(*asgi))

    async def requests(model):
        for _ in range(REQUESTS):
            random.seed(0)
            scope = {"type": "http", "method": "GET", "path": model, "headers": []}
            await recorded(None, scope, receive, send)

    threads = [threading.Thread(target=asyncio.run, args=(requests(f"model-{n}"),)) for n in range(THREADS)]
    found = []
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        found += bench.records()
    for thread in threads:
        thread.join()
    found += bench.records()

    models = [record.labels.model for record in found]
    assert {model: models.count(model) for model in set(models)} == {f"model-{n}": REQUESTS for n in range(THREADS)}
    assert len({record.span_id for record in found}) == len({record.trace_id for record in found}) == len(found)
    assert bench.worker.open == {}
    assert bench.worker.hooks.errors() == {}
