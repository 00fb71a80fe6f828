"""How ``--help`` lists commands: by the question they answer, each with its whole sentence."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from typer.core import TyperGroup


class Formatter(Protocol):
    """What click gives a command to write its help with."""

    def section(self, name: str) -> AbstractContextManager[None]:
        """Indent what is written within, under *name*."""

    def write_dl(self, rows: Sequence[tuple[str, str]]) -> None:
        """Write names and what they mean side by side."""


class Grouped(TyperGroup):
    """Commands under the headings that they were declared with, in that order; click's own cuts sentences short."""

    def format_commands(self, ctx: Any, formatter: Formatter) -> None:  # click's context, which typer keeps to itself
        """Write every command and its sentence."""
        groups: dict[str, list[tuple[str, str]]] = {}
        for name in self.list_commands(ctx):
            command = self.commands[name]
            heading = getattr(command, "rich_help_panel", None)
            groups.setdefault(heading if isinstance(heading, str) else "Commands", []).append(
                (name, command.help or "")
            )
        for heading, rows in groups.items():
            with formatter.section(heading):
                formatter.write_dl(rows)
