"""A user's application that has never heard of inferometer."""

import os
import sys

from fastapi import FastAPI

app = FastAPI()


@app.get("/seen")
def seen() -> dict[str, object]:
    """Which process answered, and whether inferometer is in it."""
    return {"pid": os.getpid(), "inferometer": "inferometer.switch" in sys.modules}
