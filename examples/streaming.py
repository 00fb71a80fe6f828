"""A chat that streams: its tokens are seen as they pass, time to the first one and between them included.

Start it with ``uvicorn streaming:app --app-dir examples``, then
``curl -N -X POST http://127.0.0.1:8000/v1/chat/completions``.
"""

import asyncio
from collections.abc import AsyncIterable

from fastapi import FastAPI
from fastapi.sse import EventSourceResponse

import inferometer.auto

app = FastAPI()
ANSWER = ["Every", " millisecond", " has", " a", " name", "."]


@app.post("/v1/chat/completions", response_class=EventSourceResponse)
async def chat() -> AsyncIterable[dict[str, object]]:
    """A role at once, the first token after the prompt was read, the others one by one, then how many they were."""
    inferometer.annotate(model="chatty")
    yield {"choices": [{"delta": {"role": "assistant", "content": ""}}]}
    await asyncio.sleep(0.2)
    for token in ANSWER:
        yield {"choices": [{"delta": {"content": token}}]}
        await asyncio.sleep(0.02)
    yield {"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": len(ANSWER)}}
