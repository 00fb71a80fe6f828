"""The commands ``inferometer cost …`` with their options, help and examples."""

import typer

app = typer.Typer(
    help="What requests cost, what idle devices cost, and what would cost less.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    epilog="Example: inferometer cost --by model,tenant --since 24h",
)


@app.callback()
def _cost() -> None:
    pass
