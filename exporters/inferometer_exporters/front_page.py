"""The sidecar's first page: the models, and the slowest requests, each a link to its waterfall."""

from collections.abc import Iterable, Iterator, Sequence
from html import escape

from inferometer_exporters.html_page import document
from inferometer_exporters.recorder.answers import ModelAnswer, RequestAnswer, SummaryAnswer

_MODELS = ("service", "model", "version", "requests", "p50", "p95", "p99", "p99.9", "tail is spent in")
_TOKENS = (
    "service", "model", "version", "tokens in", "tokens out", "first token p50", "p99", "per output token p50", "p99",
)  # fmt: skip
_REQUESTS = ("trace", "service", "model", "tenant", "outcome", "duration")
_NAMES = 3
"""Stages that the tail column names."""


def front_page(summary: SummaryAnswer, slowest: Sequence[RequestAnswer]) -> str:
    """The page; without requests it says what to do."""
    if not summary["models"]:
        return document("inferometer", ["<p>No request is recorded yet.</p>"])
    generating = [answer for answer in summary["models"] if _has_tokens(answer)]
    facts = f"{summary['requests']} requests, {summary['hops']} hops, {summary['kept_traces']} traces kept"
    return document(
        "inferometer",
        [
            f"<p class=facts>{escape(facts)}</p>",
            "<h2>Models</h2>",
            *_table(_MODELS, map(_model, summary["models"])),
            *(["<h2>Tokens</h2>", *_table(_TOKENS, map(_tokens, generating))] if generating else []),
            "<h2>Slowest requests</h2>",
            *_table(_REQUESTS, map(_request, slowest)),
            "<p class=facts><a href=/api/summary>/api/summary</a> has the same as JSON.</p>",
        ],
    )


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield "<table><tr>"
    yield from (f"<th>{escape(head)}" for head in heads)
    for row in rows:
        yield "<tr>"
        yield from (f"<td>{cell}" for cell in row)
    yield "</table>"


def _model(answer: ModelAnswer) -> list[str]:
    shown = answer if answer["first_chunk"] is None else answer["first_chunk"]
    times = (shown["p50_seconds"], shown["p95_seconds"], shown["p99_seconds"], shown["p999_seconds"])
    tail = ", ".join(
        f"{share['stage']}{' (' + share['kind'] + ')' if share['kind'] else ''} {share['share']:.0%}"
        for share in answer["tail"][:_NAMES]
    )
    names = (answer["service"], answer["model"], answer["version"])
    return [*map(escape, names), str(answer["requests"]), *map(_seconds, times), escape(tail)]


def _has_tokens(answer: ModelAnswer) -> bool:
    return bool(answer["tokens_in"] or answer["tokens_out"] or answer["first_token"])


def _tokens(answer: ModelAnswer) -> list[str]:
    names = (answer["service"], answer["model"], answer["version"])
    numbers = (answer["tokens_in"], answer["tokens_out"])
    found = (answer["first_token"], answer["time_per_output_token"])
    times = [None if one is None else one[key] for one in found for key in ("p50_seconds", "p99_seconds")]
    return [*map(escape, names), *("" if n is None else f"{n:,}" for n in numbers), *map(_seconds, times)]


def _request(answer: RequestAnswer) -> list[str]:
    trace = escape(answer["trace_id"])
    return [
        f"<a href='/trace/{trace}'>{trace}</a>",
        *map(escape, (answer["service"], answer["model"], answer["tenant"], answer["outcome"])),
        _seconds(answer["duration_seconds"]),
    ]


def _seconds(seconds: float | None) -> str:
    if seconds is None:
        return ""
    return f"{seconds * 1e3:.1f} ms" if seconds < 1 else f"{seconds:.2f} s"
