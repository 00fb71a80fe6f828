"""Errors as people want them on a terminal: one message, no traceback, an exit status that says which kind."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from inferometer.errors import InferometerError

FOUND_SOMETHING = 1
WRONG_USE = 2
INTERRUPTED = 130
_EXTRAS = {
    "duckdb": "sidecar",
    "fastapi": "demo",
    "grafana_foundation_sdk": "generate",
    "httpx": "demo",
    "jinja2": "generate",
    "numpy": "sidecar",
    "onnxruntime": "demo",
    "promql_parser": "generate",
    "psutil": "sidecar",
    "pynvml": "sidecar",
    "ruamel": "generate",
    "starlette": "sidecar",
    "tokenizers": "demo",
    "uvicorn": "sidecar",
}


@contextmanager
def plain_errors() -> Iterator[None]:
    """Turn what goes wrong into a message and an exit status.

    Raises:
        typer.Exit: with 2 for our own errors and for a part that is not installed, with 130 after Ctrl-C.
    """
    try:
        yield
    except InferometerError as error:
        say(str(error))
        raise typer.Exit(WRONG_USE) from error
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if (extra := _EXTRAS.get(package)) is None:
            raise
        say(f'this needs the package {package}: pip install "inferometer[{extra}] @ file:///path/to/the/checkout"')
        raise typer.Exit(WRONG_USE) from error
    except KeyboardInterrupt as error:
        raise typer.Exit(INTERRUPTED) from error


def say(message: str) -> None:
    """Print a message about the command itself, where it does not mix with figures."""
    sys.stderr.write(f"inferometer: {message}\n")
