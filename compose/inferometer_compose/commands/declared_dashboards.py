"""The commands below ``inferometer dashboards``."""

from pathlib import Path
from typing import Annotated

import typer

from inferometer_compose.commands.errors import plain_errors
from inferometer_compose.commands.help import Grouped
from inferometer_compose.commands.parameters import JSON

EXAMPLE = "Example: inferometer dashboards push --url https://grafana.example --token-file grafana.token"
app = typer.Typer(cls=Grouped, help="Boards for Grafana.", no_args_is_help=True, epilog=EXAMPLE)


@app.callback()
def _dashboards() -> None:
    pass


@app.command(epilog=EXAMPLE)
def push(
    *,
    token_file: Annotated[
        Path, typer.Option(envvar="GRAFANA_TOKEN_FILE", metavar="FILE", help="File of a service account's token.")
    ],
    config: Annotated[Path, typer.Option(metavar="FILE", help="The fleet file.")] = Path("fleet.yaml"),
    url: Annotated[str, typer.Option(metavar="URL", help="Where Grafana answers.")] = "http://127.0.0.1:3000",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Also boards that a person changed.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Write nothing; exit 1 where boards differ.")] = False,
    json: Annotated[bool, typer.Option("--json", help=JSON)] = False,
) -> None:
    """Bring the generated boards into a Grafana; what people made or changed there stays."""
    with plain_errors():
        from inferometer_compose.commands import dashboards_push as command  # noqa: PLC0415 - as all of them

        options = command.Options(
            config=config, url=url, token_file=token_file, overwrite=overwrite, check=check, json=json
        )
        code = command.run(options)
    raise typer.Exit(code)
