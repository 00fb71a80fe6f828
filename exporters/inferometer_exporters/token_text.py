"""The tokens of a hop in words, for whoever draws it."""

from collections.abc import Callable, Iterator

from inferometer_exporters.recorder.trace_answers import HopAnswer


def token_text(hop: HopAnswer, duration: Callable[[float], str]) -> str:
    """``9 tokens in, 340 tokens out, first token after 52 ms, then 21 ms each``, as far as it is known.

    Args:
        hop: of a trace.
        duration: writes seconds, with their unit.
    """
    return ", ".join(_parts(hop, duration))


def _parts(hop: HopAnswer, duration: Callable[[float], str]) -> Iterator[str]:
    if hop["tokens_in"] is not None:
        yield f"{_number(hop['tokens_in'])} in"
    if hop["tokens_out"] is not None:
        yield f"{_number(hop['tokens_out'])} out"
    if hop["first_token_seconds"] is not None:
        yield f"first token after {duration(hop['first_token_seconds'])}"
    if hop["time_per_output_token_seconds"] is not None:
        yield f"then {duration(hop['time_per_output_token_seconds'])} each"


def _number(tokens: int) -> str:
    return f"{tokens:,} token{'' if tokens == 1 else 's'}"
