"""Serves requests, forks with some unsent and a thread running, and serves in both processes."""

import asyncio
import os
import random
import sys

import inferometer


async def app(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"x"})


def serve(name, count):
    async def named(scope, receive, send):
        inferometer.annotate(model=name)
        await app(scope, receive, send)

    async def nothing(_=None):
        return {"type": "http.request"}

    async def requests():
        recorded = inferometer.asgi(named)
        for _ in range(count):
            scope = {"type": "http", "method": "GET", "path": "/", "headers": []}
            await recorded(scope, nothing, nothing)

    asyncio.run(requests())


serve("parent", 2)
random.seed(0)
child = os.fork()
if not child:
    serve("child", 3)
    sys.exit(0 if inferometer.flush() else 1)
random.seed(0)
serve("parent", 1)
_, status = os.waitpid(child, 0)
sys.exit(os.waitstatus_to_exitcode(status) or (0 if inferometer.flush() else 1))
