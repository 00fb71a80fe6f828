"""FastAPI, the one line last."""

import os

from fastapi import FastAPI

app = FastAPI()


@app.get("/double/{number}")
async def double(number: int) -> dict[str, int]:
    """Twice the number, and who says so."""
    return {"double": 2 * number, "pid": os.getpid()}


import inferometer.auto  # noqa: E402, F401 - the one line
