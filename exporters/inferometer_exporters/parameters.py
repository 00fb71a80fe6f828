"""Parameters of the API: read one by one, each with its bounds; what is wrong or unknown is said, never left out."""

from collections.abc import Collection
from typing import Final

from starlette.requests import Request

MAX_ROWS: Final = 10_000
MAX_TEXT: Final = 1_024
"""Characters of a parameter; names that a worker sends are not longer."""
MAX_SECONDS: Final = 1e9
"""Thirty years."""


def known(request: Request, names: Collection[str]) -> None:
    """Refuse parameters that the route does not have: one that is misspelt would be taken for not given.

    Raises:
        ValueError: there is another one, or one comes twice.
    """
    given = [name for name, _ in request.query_params.multi_items()]
    for name in given:
        if name not in names:
            raise ValueError(f"no parameter {name!r:.64}; there are {', '.join(sorted(names))}")
        if given.count(name) > 1:
            raise ValueError(f"{name} is given {given.count(name)} times, once is right")


def text(request: Request, name: str) -> str:
    """A text; empty where it is not given.

    Raises:
        ValueError: it is too long, or no text.
    """
    given = request.query_params.get(name, "")
    if len(given) > MAX_TEXT or not given.isprintable():
        raise ValueError(f"{name} is {given!r:.64}, up to {MAX_TEXT} printable characters are right")
    return given


def number(
    request: Request, name: str, default: float | None = None, *, most: float = MAX_SECONDS, of: str = "seconds"
) -> float | None:
    """A number from 0 to less than *most*; *default* where it is not given.

    Raises:
        ValueError: it is none.
    """
    given = request.query_params.get(name)
    if given is None:
        return default
    try:
        found = float(given)
    except ValueError:
        found = -1.0
    # A comparison with NaN is false, too.
    if not 0 <= found < most:
        raise ValueError(f"{name} is {given!r:.64}, a number of {of} from 0 is right")
    return found


def count(request: Request, default: int, *, most: int = MAX_ROWS) -> int:
    """``n``: how many are wanted.

    Raises:
        ValueError: it is none from 1 to *most*.
    """
    given = request.query_params.get("n")
    if given is None:
        return default
    if not (given.isascii() and given.isdecimal() and len(given) <= len(str(most)) and 0 < int(given) <= most):
        raise ValueError(f"n is {given!r:.64}, a whole number from 1 to {most} is right")
    return int(given)
