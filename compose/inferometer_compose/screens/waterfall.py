"""One request as a waterfall: its hops under each other, a row per stage, time from left to right."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.text import Text

from inferometer.catalog.stages import Stage

_BLOCKS = " ▏▎▍▌▋▊▉█"
_LABEL, _TIME = 26, 8
"""Columns of a name, at least, and of a time."""
_UNIT = "ms  "
_NARROWEST_BAR = 20
# Rows below this share of the whole request say nothing on a screen; they are summed in one.
_SMALLEST_SHARE = 0.004
_TWO_DIGITS_BELOW_SECONDS = 0.010

COLOURS: dict[Stage, str] = {
    Stage.NETWORK: "cyan",
    Stage.QUEUE: "yellow",
    Stage.DESERIALIZE: "bright_blue",
    Stage.PREPROCESS: "bright_magenta",
    Stage.EXECUTE: "green",
    Stage.POSTPROCESS: "magenta",
    Stage.SERIALIZE: "blue",
    Stage.REMOTE: "bright_black",
    Stage.HANDLER: "dark_orange3",
    Stage.OTHER: "bright_black",
}
"""One colour per stage, the same on every screen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A stretch of a hop that one stage owns; times in seconds after the hop's start."""

    stage: Stage
    start_seconds: float
    duration_seconds: float
    kind: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hop:
    """A request to one service, with the hops it called.

    Attributes:
        title: Method and route.
        service: Who answered.
        start_seconds: After the start of the first hop, as far as clocks can tell.
        segments: In order; together they are the whole duration.
        notes: Remarks behind a stage's row.
        remark: Remark behind the hop's own row.
        details: Rows of their own below that.
    """

    title: str
    service: str
    model: str
    start_seconds: float
    duration_seconds: float
    segments: tuple[Segment, ...]
    notes: tuple[tuple[Stage, str], ...] = ()
    remark: str = ""
    details: tuple[str, ...] = ()
    children: tuple["Hop", ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """A request through all its hops."""

    trace_id: str
    root: Hop
    tenant: str = ""
    version: str = ""
    outcome: str = ""
    cost: str = ""
    """An amount, or why there is none."""


def heading(trace: Trace, title: str = "Request") -> Text:
    """The line above the waterfall."""
    parts = [f"trace {trace.trace_id}"]
    parts += [f"tenant {trace.tenant}"] if trace.tenant else []
    parts += [trace.outcome] if trace.outcome else []
    parts += [trace.cost] if trace.cost else []
    return Text.assemble((title, "bold"), "   ", ("   ".join(parts), ""))


def lines(trace: Trace, *, width: int) -> list[Text]:
    """The waterfall's rows for a terminal of that many columns."""
    total = max(trace.root.duration_seconds, 1e-9)
    notes = max(
        (len(note) for hop in _hops(trace.root) for note in (hop.remark, *(n for _, n in hop.notes))), default=0
    )
    notes = max(notes, len(_UNIT + trace.root.remark))
    longest = max(hop.duration_seconds for hop in _hops(trace.root))
    figure = max(_TIME, len(_figure(longest, total)) + 1)
    label = max(_LABEL, min(_longest_name(trace.root) + 1, width // 3))
    bar = max(_NARROWEST_BAR, width - label - figure - 2 - min(notes + 2, width // 3))
    canvas = _Canvas(total, bar, figure, label, width)
    return list(_hop(trace.root, canvas, depth=0))


def _name(hop: Hop) -> str:
    return f"{hop.service} {hop.title}".strip()


def _longest_name(hop: Hop, depth: int = 0) -> int:
    """Columns of the longest name of a hop, with its indentation."""
    # Children stand below the stage that waits for them.
    return max(2 * depth + len(_name(hop)), *(_longest_name(child, depth + 2) for child in hop.children), 0)


def _figure(seconds: float, total: float) -> str:
    digits = 1 if total >= _TWO_DIGITS_BELOW_SECONDS else 2
    return f"{seconds * 1e3:,.{digits}f}"


def _hops(hop: Hop) -> Iterator[Hop]:
    yield hop
    for child in hop.children:
        yield from _hops(child)


@dataclass(frozen=True, slots=True)
class _Canvas:
    total: float
    bar: int
    figure: int
    """Columns of a time in ms, with a space before it."""
    label: int
    width: int

    def row(
        self, label: str, depth: int, seconds: float, *, cells: str, style: str = "", colour: str = "", note: str = ""
    ) -> Text:
        name = f"{'  ' * depth}{label}"
        if len(name) > self.label - 1:
            name = name[: self.label - 2] + "…"
        figure = _figure(seconds, self.total).rjust(self.figure)
        row = Text.assemble((name.ljust(self.label), style), (cells, colour), figure, ("  " + note, "dim"))
        row.truncate(self.width, overflow="ellipsis")
        row.rstrip()
        return row


def _hop(hop: Hop, canvas: _Canvas, *, depth: int) -> Iterator[Text]:
    whole = [(hop.start_seconds, hop.start_seconds + hop.duration_seconds)]
    cells = _cells(whole, canvas.total, canvas.bar)
    unit = _UNIT if depth == 0 else ""
    yield canvas.row(_name(hop), depth, hop.duration_seconds, cells=cells, style="bold", note=unit + hop.remark)
    for text in hop.details:
        detail = Text(f"{'  ' * (depth + 1)}{text}", "dim")
        detail.truncate(canvas.width, overflow="ellipsis")
        yield detail
    notes = dict(hop.notes)
    short: list[float] = []
    children = list(hop.children)
    for stage, segments in _by_stage(hop.segments):
        seconds = sum(segment.duration_seconds for segment in segments)
        if seconds < _SMALLEST_SHARE * canvas.total and stage is not Stage.REMOTE:
            short.append(seconds)
            continue
        cells = _cells([_span(hop, segment) for segment in segments], canvas.total, canvas.bar)
        name, note = _label(stage, segments), notes.get(stage, "")
        yield canvas.row(name, depth + 1, seconds, cells=cells, colour=COLOURS[stage], note=note)
        if stage is Stage.REMOTE:
            for child in children:
                yield from _hop(child, canvas, depth=depth + 2)
            children = []
    if short:
        name = f"{len(short)} short stage{'s' if len(short) > 1 else ''}"
        yield canvas.row(name, depth + 1, sum(short), cells=" " * canvas.bar, style="dim")
    for child in children:
        yield from _hop(child, canvas, depth=depth + 1)


def _by_stage(segments: Sequence[Segment]) -> list[tuple[Stage, list[Segment]]]:
    grouped: dict[Stage, list[Segment]] = {}
    for segment in segments:
        grouped.setdefault(segment.stage, []).append(segment)
    return list(grouped.items())


def _label(stage: Stage, segments: Sequence[Segment]) -> str:
    longest = max(segments, key=lambda segment: segment.duration_seconds)
    return f"{stage.label} ({longest.kind})" if longest.kind and stage is Stage.QUEUE else stage.label


def _span(hop: Hop, segment: Segment) -> tuple[float, float]:
    start = hop.start_seconds + segment.start_seconds
    return start, start + segment.duration_seconds


def _cells(spans: Sequence[tuple[float, float]], total: float, width: int) -> str:
    """One character per cell, as full as the spans cover it; whatever is there leaves a mark."""
    covered = [0.0] * width
    for start, end in spans:
        first, last = (min(max(point / total, 0.0), 1.0) * width for point in (start, end))
        for cell in range(min(int(first), width - 1), min(int(last), width - 1) + 1):
            covered[cell] += max(0.0, min(last, cell + 1) - max(first, cell))
        home = min(int(first), width - 1)
        covered[home] = max(covered[home], 1e-6)
    top = len(_BLOCKS) - 1
    return "".join(_BLOCKS[min(top, max(1, round(share * top)))] if share > 0 else " " for share in _solid(covered))


def _solid(covered: Sequence[float]) -> Iterator[float]:
    # A bar that begins inside a cell would leave a gap before it continues: its first cell is drawn full.
    for cell, share in enumerate(covered):
        continues = cell + 1 < len(covered) and covered[cell + 1] > 1e-3  # noqa: PLR2004 - more than a mark
        yield 1.0 if continues and share > 1e-3 else share  # noqa: PLR2004 - less is rounding
