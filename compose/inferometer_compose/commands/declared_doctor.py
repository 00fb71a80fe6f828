"""The command ``doctor`` with its options and help."""

from pathlib import Path
from typing import Annotated

import typer

from inferometer_compose.commands.errors import plain_errors
from inferometer_compose.commands.parameters import JSON


def doctor(
    *,
    config: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The fleet.yaml that rules and thresholds must follow.")
    ] = None,
    metrics: Annotated[str, typer.Option(metavar="URL", help="The sidecar's page.")] = "http://127.0.0.1:9464/metrics",
    api: Annotated[str, typer.Option(metavar="URL", help="The sidecar's API.")] = "http://127.0.0.1:9465",
    prometheus: Annotated[str, typer.Option(metavar="URL", help="Prometheus.")] = "http://127.0.0.1:9090",
    jaeger: Annotated[str, typer.Option(metavar="URL", help="Jaeger.")] = "http://127.0.0.1:16686",
    grafana: Annotated[
        str | None, typer.Option(metavar="URL", help="Grafana; else http://127.0.0.1:3000, if it is there.")
    ] = None,
    time_scale: Annotated[int, typer.Option(min=1, metavar="NUMBER", help="By which the rules were generated.")] = 1,
    sdk: Annotated[bool, typer.Option("--sdk", help="Look at the SDK in this Python instead.")] = False,
    application: Annotated[
        str | None, typer.Option("--app", metavar="MODULE:APP", help="With --sdk: import this module:app first.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help=JSON)] = False,
) -> None:
    """Walk from the workers to the boards: which link is broken, and what mends it."""
    with plain_errors():
        from inferometer_compose.commands import doctor as command  # noqa: PLC0415 - as all of them

        if sdk or application is not None:
            code = command.sdk(application, as_json=json)
        else:
            options = command.Options(
                metrics=metrics,
                api=api,
                prometheus=prometheus,
                jaeger=jaeger,
                grafana=grafana,
                config=config,
                time_scale=time_scale,
                json=json,
            )
            code = command.chain(options)
    raise typer.Exit(code)
