"""When a request whose client gave it up has timed out."""

from typing import Final

DEFAULT_TIMEOUT_NS: Final = 30 * 10**9
"""A request that its client gave up after this time counts as timed out, unless fleet.yaml says otherwise."""
