"""ASGI and nothing else: no framework that a hook could reach."""

import json
import os

import inferometer


async def plain(scope, receive, send) -> None:
    """Twice the number, and who says so."""
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                return
    inferometer.annotate(model="plain")
    number = int(scope["path"].rpartition("/")[2])
    body = json.dumps({"double": 2 * number, "pid": os.getpid()}).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": body})


app = inferometer.asgi(plain)
