"""SGLang: a root ``… Req …`` with a span of each thread below it and of each stage below those; stages are their names.

Source: SGLang, ``srt/observability/req_time_stats.py`` and ``trace.py`` (0.5): names with a request's id, a host or
a pid are never taken as a route.
"""

from typing import Final

from inferometer.catalog import engine_spans
from inferometer.catalog.stages import Kind, Stage
from inferometer_exporters.receivers.facts import (
    GENERATION,
    Convention,
    Facts,
    Part,
    Told,
    number,
    outcome,
    seconds,
    text,
)

RID: Final = engine_spans.SGLANG_RID
FIRST_TOKEN: Final = engine_spans.FIRST_TOKEN_TIME
CACHED: Final = engine_spans.CACHED_TOKENS
_ROUTE: Final = "Req"
_STAGES: Final = {
    "tokenize": (Stage.PREPROCESS, Kind.NONE),
    "mm_encode": (Stage.PREPROCESS, Kind.NONE),
    "prefill_waiting": (Stage.QUEUE, Kind.ENGINE),
    "decode_waiting": (Stage.QUEUE, Kind.ENGINE),
    "prefill_forward": (Stage.EXECUTE, Kind.PREFILL),
    "chunked_prefill": (Stage.EXECUTE, Kind.PREFILL),
    "decode_forward": (Stage.EXECUTE, Kind.DECODE),
    "decode_loop": (Stage.EXECUTE, Kind.DECODE),
    "spec_draft": (Stage.EXECUTE, Kind.DECODE),
    "spec_verify": (Stage.EXECUTE, Kind.DECODE),
    "prefill_transfer_kv_cache": (Stage.NETWORK, Kind.TRANSIT),
}


def _may_be(name: str) -> bool:
    return _ROUTE in name


_OFTEN: Final = frozenset({"decode_loop", "spec_draft", "spec_verify"})
"""One for each token; what they tell, `decode_forward` tells as a whole."""
OF_THREADS: Final = "(host:"
"""In the names of spans of threads."""
IN_BATCHES: Final = frozenset({b"decode_loop", b"prefill_forward", b"chunked_prefill", b"forward_mode"})
"""In bodies whose spans tell of batches."""


def _early(name: str) -> bool:
    return (name in _STAGES and name not in _OFTEN) or OF_THREADS in name


def _ask(span: Told) -> Facts | None:
    if not text(span.attributes, (RID,)):
        return None
    below = span.below()
    # Tokens and model stand on the root or on a thread's span, by version.
    generations = [facts for one in (span, *below) if (facts := GENERATION(one)) is not None]
    parts = tuple(Part(*stage, one.start, one.end) for one in below if (stage := _STAGES.get(one.name)) is not None)
    firsts = [after for one in (span, *below) if (after := seconds(one.attributes, FIRST_TOKEN)) is not None]
    cached = [number(one.attributes, (CACHED,)) for one in (span, *below)]
    return Facts(
        outcome=outcome(span, 0),
        model=next((facts.model for facts in generations if facts.model), ""),
        route=_ROUTE,
        tokens_in=max((facts.tokens_in for facts in generations), default=0),
        tokens_out=max((facts.tokens_out for facts in generations), default=0),
        tokens_cached=max(cached),
        parts=parts,
        first_token=span.start + firsts[0] if firsts else 0,
    )


NORMALIZER: Final = Convention(
    GENERATION.names | {RID, FIRST_TOKEN, CACHED}, _ask, roots=True, called=_may_be, early=_early
)
