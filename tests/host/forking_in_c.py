"""Serves requests, forks without a word to Python, and serves in both processes. Arguments: what the child does."""

import asyncio
import ctypes
import os
import sys
import time

import inferometer


async def plain(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"x"})


def serve(name: str, count: int) -> None:
    async def named(scope, receive, send):
        inferometer.annotate(model=name)
        await plain(scope, receive, send)

    async def nothing(_=None):
        return {"type": "http.request"}

    async def requests():
        recorded = inferometer.asgi(named)
        for _ in range(count):
            await recorded({"type": "http", "method": "GET", "path": "/", "headers": []}, nothing, nothing)

    asyncio.run(requests())


serve("parent", 2)
# With the interpreter's lock held, as a server's C code does it.
child = ctypes.PyDLL(None).fork()
if not child:
    if sys.argv[1] == "serves":
        serve("child", 3)
        os._exit(0 if inferometer.flush() else 1)
    begun = time.monotonic()
    inferometer.flush(5)
    os._exit(0 if time.monotonic() - begun < 1 else 2)
serve("parent", 1)
_, status = os.waitpid(child, 0)
sys.exit(os.waitstatus_to_exitcode(status) or (0 if inferometer.flush() else 1))
