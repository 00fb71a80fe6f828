"""An application for the tests of several workers."""

import os

from fastapi import FastAPI

import inferometer.auto  # noqa: F401 - the one line

app = FastAPI()


@app.get("/pid")
async def pid() -> dict[str, int]:
    """Which worker answered."""
    return {"pid": os.getpid()}
