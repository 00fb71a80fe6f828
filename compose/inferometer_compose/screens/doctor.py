"""The chain as a person reads it: a line a link, the first broken one again with its cure."""

from collections.abc import Iterator

from rich.text import Text

from inferometer_compose.doctor.link import Link, State
from inferometer_compose.screens.columns import plain

_SIGNS = {State.WHOLE: ("✓", "green"), State.BROKEN: ("✗", "bold red"), State.UNSEEN: ("·", "bright_black")}


def lines(links: list[Link], first: Link | None) -> Iterator[Text]:
    """The lines of the whole screen."""
    width = max((len(link.name) for link in links), default=0)
    for link in links:
        sign, style = _SIGNS[link.state]
        yield Text.assemble("  ", (sign, style), f" {link.name:<{width}}  {plain(link.says)}")
        if link.cure:
            yield Text(f"    {'':<{width}}  → {plain(link.cure)}")
    yield Text("")
    if first is None:
        yield Text("Nothing to mend.")
    else:
        yield Text.assemble(("Mend first: ", "bold"), f"{first.name}. What is broken after it may be its consequence.")
