"""An application for the tests of several workers, under WSGI."""

import os

from flask import Flask

import inferometer.auto  # noqa: F401 - the one line

app = Flask(__name__)


@app.get("/pid")
def pid() -> dict[str, int]:
    """Which worker answered."""
    return {"pid": os.getpid()}
