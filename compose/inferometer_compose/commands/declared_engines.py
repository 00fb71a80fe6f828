"""The commands ``inferometer engines …`` with their options, help and examples."""

from typing import Annotated

import typer

from inferometer_compose.commands.errors import plain_errors
from inferometer_compose.commands.parameters import JSON

app = typer.Typer(
    help="Foreign model servers: which are known, what their pages say, and what they cannot say.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

PAGE = "Address of the engine's /metrics, or a file with the page; - is standard input."
ENGINE = "Whose page it is; found by the names on it unless given."
VERSION = "The engine's version, where its page does not say it."
MODEL = "Model of series that do not say theirs."
WHICH = "One engine; all of them unless given."


@app.command("list", epilog="Example: inferometer engines list")
def list_engines(*, json: Annotated[bool, typer.Option("--json", help=JSON)] = False) -> None:
    """Engines whose pages are understood, and where these are."""
    with plain_errors():
        from inferometer_compose.commands import engines as command  # noqa: PLC0415  # imports the mappings

        code = command.listing(json=json)
    raise typer.Exit(code)


@app.command(epilog="Example: inferometer engines check http://127.0.0.1:8000/metrics")
def check(
    page: Annotated[str, typer.Argument(help=PAGE)],
    *,
    engine: Annotated[str | None, typer.Option(help=ENGINE)] = None,
    version: Annotated[str | None, typer.Option(help=VERSION)] = None,
    model: Annotated[str, typer.Option(help=MODEL)] = "",
    json: Annotated[bool, typer.Option("--json", help=JSON)] = False,
) -> None:
    """What a page says in our words, what is unknown and what is missing: exit 1 where something is unknown."""
    with plain_errors():
        from inferometer_compose.commands import engines as command  # noqa: PLC0415  # imports the mappings

        code = command.check(page, engine=engine, version=version, model=model, json=json)
    raise typer.Exit(code)


@app.command(epilog="Example: inferometer engines coverage --engine vllm")
def coverage(
    *,
    engine: Annotated[str | None, typer.Option(help=WHICH)] = None,
    json: Annotated[bool, typer.Option("--json", help=JSON)] = False,
) -> None:
    """How well each engine tells each signal, and why not better."""
    with plain_errors():
        from inferometer_compose.commands import engines as command  # noqa: PLC0415  # imports the mappings

        code = command.coverage(engine, json=json)
    raise typer.Exit(code)
