"""The table board x panels x queries run x non-empty."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from boards.targets import Run

BEGIN, END = "<!-- proof: begin -->", "<!-- proof: end -->"
HEAD = ("board", "panels", "queries", "non-empty", "non-empty with one value of each variable", "queries run")


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A board's line.

    Attributes:
        board: title of the board.
        panels: panels that ask Prometheus, annotations among them.
        queries: their queries.
        filled: queries that yield something with everything chosen.
        choices: pairs of a query and a variable in it.
        chosen: those of them that yield something for at least one value.
        runs: queries that were run.
    """

    board: str
    panels: int
    queries: int
    filled: int
    choices: int
    chosen: int
    runs: int

    @property
    def cells(self) -> tuple[str, ...]:
        """As the table has them."""
        return (
            self.board,
            str(self.panels),
            str(self.queries),
            f"{self.filled} of {self.queries}",
            f"{self.chosen} of {self.choices}",
            str(self.runs),
        )


def line(title: str, ran: Sequence[Run]) -> Line:
    """A board's line of what was run."""
    everything = [run for run in ran if run.variable is None]
    choices: dict[tuple[str, str], bool] = {}
    for run in ran:
        if run.variable is not None:
            key = str(run.target), run.variable
            choices[key] = choices.get(key, False) or bool(run.found)
    return Line(
        board=title,
        panels=len({run.target.panel for run in ran}),
        queries=len(everything),
        filled=sum(bool(run.found) for run in everything),
        choices=len(choices),
        chosen=sum(choices.values()),
        runs=len(ran),
    )


def total(lines: Iterable[Line]) -> Line:
    """The last line."""
    known = list(lines)
    return Line(
        board="**all**",
        panels=sum(one.panels for one in known),
        queries=sum(one.queries for one in known),
        filled=sum(one.filled for one in known),
        choices=sum(one.choices for one in known),
        chosen=sum(one.chosen for one in known),
        runs=sum(one.runs for one in known),
    )


def markdown(lines: Sequence[Line]) -> str:
    """The table, with its sum."""
    rows = [HEAD, tuple("---" for _ in HEAD), *(one.cells for one in (*lines, total(lines)))]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def written(page: str, table: str) -> str:
    """A page with the table between its marks.

    Raises:
        ValueError: the page has no marks.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page has no place for the table: {BEGIN} and {END}")
    return f"{before}{BEGIN}\n{table}{END}{after}"
