"""Starlette."""

import os

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

import inferometer.auto  # noqa: F401 - the one line


async def double(request: Request) -> JSONResponse:
    """Twice the number, and who says so."""
    return JSONResponse({"double": 2 * int(request.path_params["number"]), "pid": os.getpid()})


app = Starlette(routes=[Route("/double/{number}", double)])
