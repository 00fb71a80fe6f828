"""FastAPI, the one line first."""

import inferometer.auto  # noqa: F401, I001 - the one line

import os

from fastapi import FastAPI

app = FastAPI()


@app.get("/double/{number}")
async def double(number: int) -> dict[str, int]:
    """Twice the number, and who says so."""
    return {"double": 2 * number, "pid": os.getpid()}
