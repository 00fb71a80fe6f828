"""A user's application that has the line, and wraps a plain ASGI application besides."""

import inferometer
import inferometer.auto


async def plain(scope, receive, send) -> None:
    """Answers that it is there."""
    if scope["type"] != "http":
        return
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    with inferometer.stage("postprocess"):
        inferometer.annotate(model="plain")
    await send({"type": "http.response.body", "body": b'{"answer": "yes"}'})


app = inferometer.asgi(plain)
