"""The commands ``inferometer engines …`` with their options, help and examples."""

from pathlib import Path
from typing import Annotated

import typer

from inferometer_compose.commands.errors import plain_errors
from inferometer_compose.commands.help import Grouped
from inferometer_compose.commands.parameters import JSON

app = typer.Typer(
    cls=Grouped,
    help="Foreign model servers: which are known, what their pages say, and what they cannot say.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    epilog="Example: inferometer engines check http://127.0.0.1:8000/metrics",
)

PAGE = "Address of the engine's /metrics, or a file with the page; - is standard input."
ENGINE = "Whose page it is; found by the names on it unless given."
VERSION = "The engine's version, where its page does not say it."
CONFIG = "The fleet.yaml that has the page, which may be a service's name here: engine, model, access are its."
MODEL = "Model of series that do not say theirs."
WHICH = "One engine; all of them unless given."


@app.command("list", epilog="Example: inferometer engines list")
def list_engines(*, json: Annotated[bool, typer.Option("--json", help=JSON)] = False) -> None:
    """Engines whose pages are understood, and where these are."""
    with plain_errors():
        from inferometer_compose.commands import engines as command  # noqa: PLC0415 - imports the mappings

        code = command.listing(json=json)
    raise typer.Exit(code)


@app.command(epilog="Example: inferometer engines check http://127.0.0.1:8000/metrics")
def check(
    page: Annotated[str, typer.Argument(metavar="PAGE", help=PAGE)],
    *,
    engine: Annotated[str | None, typer.Option(metavar="ENGINE", help=ENGINE)] = None,
    version: Annotated[str | None, typer.Option(metavar="VERSION", help=VERSION)] = None,
    model: Annotated[str, typer.Option(metavar="NAME", help=MODEL)] = "",
    config: Annotated[Path | None, typer.Option(metavar="FILE", help=CONFIG)] = None,
    token_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="File of the token that the page asks for.")
    ] = None,
    username: Annotated[
        str | None, typer.Option(metavar="USER", help="User that the page asks for; with --password-file.")
    ] = None,
    password_file: Annotated[Path | None, typer.Option(metavar="FILE", help="File of the user's password.")] = None,
    ca_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="PEM file of the authority that vouches for the page.")
    ] = None,
    server_name: Annotated[
        str | None, typer.Option(metavar="NAME", help="Name in its certificate, where not its host.")
    ] = None,
    cert_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="PEM file with which we show who we are.")
    ] = None,
    key_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="PEM file of its key, where it is another.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help=JSON)] = False,
) -> None:
    """What a page of an engine or of a GPU exporter says in our words: exit 1 where it has names that nobody knows."""
    with plain_errors():
        from inferometer_compose.commands import engines as command  # noqa: PLC0415 - imports the mappings
        from inferometer_compose.commands.page_access import PageOptions  # noqa: PLC0415 - the same

        options = PageOptions(
            token_file=token_file,
            username=username,
            password_file=password_file,
            ca_file=ca_file,
            server_name=server_name,
            cert_file=cert_file,
            key_file=key_file,
        )
        access = options.access() or command.NO_ACCESS
        asked = command.Asked(page=page, engine=engine, version=version, model=model, config=config, access=access)
        code = command.check(asked, json=json)
    raise typer.Exit(code)


@app.command(epilog="Example: inferometer engines coverage --engine vllm")
def coverage(
    *,
    engine: Annotated[str | None, typer.Option(metavar="ENGINE", help=WHICH)] = None,
    json: Annotated[bool, typer.Option("--json", help=JSON)] = False,
) -> None:
    """How well each engine tells each signal, and why not better."""
    with plain_errors():
        from inferometer_compose.commands import engines as command  # noqa: PLC0415 - imports the mappings

        code = command.coverage(engine, json=json)
    raise typer.Exit(code)
