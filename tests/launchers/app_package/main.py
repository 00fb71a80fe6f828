"""The application."""

import os

from fastapi import FastAPI

import app_package.telemetry  # noqa: F401 - the one line is there

app = FastAPI()


@app.get("/double/{number}")
async def double(number: int) -> dict[str, int]:
    """Twice the number, and who says so."""
    return {"double": 2 * number, "pid": os.getpid()}
