"""The command ``inferometer sidecar`` with its options, help and example."""

from pathlib import Path
from typing import Annotated

import typer

from inferometer.fleet.devices import PriceKind
from inferometer_compose.commands.errors import plain_errors
from inferometer_compose.commands.parameters import one_of
from inferometer_exporters import niceness
from inferometer_exporters.gpus.choice import GpuChoice


def sidecar(
    *,
    socket: Annotated[Path | None, typer.Option(metavar="PATH", help="Where workers send their frames.")] = None,
    metrics: Annotated[str, typer.Option(metavar="HOST:PORT", help="Where Prometheus scrapes.")] = "127.0.0.1:9464",
    api: Annotated[
        str, typer.Option(metavar="HOST:PORT", help="Where the API and the live page answer.")
    ] = "127.0.0.1:9465",
    state: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Folder of its state and of the flight recorder.")
    ] = None,
    thresholds: Annotated[
        Path | None,
        typer.Option(
            envvar="INFEROMETER_THRESHOLDS",
            metavar="FILE",
            help="thresholds.json, as `inferometer generate` writes it.",
        ),
    ] = None,
    otlp: Annotated[
        str | None, typer.Option(metavar="URL", help="Where kept traces go, else as OTEL_EXPORTER_OTLP_… say.")
    ] = None,
    gpu: Annotated[
        GpuChoice,
        typer.Option(
            parser=one_of(GpuChoice),
            envvar="INFEROMETER_GPU",
            metavar="auto|nvml|off",
            help="How NVIDIA GPUs of this host are read: docs/gpus.md.",
        ),
    ] = GpuChoice.AUTO,
    gpu_page: Annotated[
        list[str] | None,
        typer.Option(
            envvar="INFEROMETER_GPU_PAGE",
            metavar="URL",
            help="URL of dcgm-exporter or nvidia_gpu_exporter on this host; may be given more than once.",
        ),
    ] = None,
    gpu_page_token_file: Annotated[
        Path | None,
        typer.Option(
            envvar="INFEROMETER_GPU_PAGE_TOKEN_FILE", metavar="FILE", help="File of the token that these pages ask for."
        ),
    ] = None,
    gpu_page_username: Annotated[
        str | None,
        typer.Option(
            envvar="INFEROMETER_GPU_PAGE_USERNAME",
            metavar="USER",
            help="User that they ask for; with a password's file.",
        ),
    ] = None,
    gpu_page_password_file: Annotated[
        Path | None,
        typer.Option(envvar="INFEROMETER_GPU_PAGE_PASSWORD_FILE", metavar="FILE", help="File of the user's password."),
    ] = None,
    gpu_page_ca_file: Annotated[
        Path | None,
        typer.Option(
            envvar="INFEROMETER_GPU_PAGE_CA_FILE",
            metavar="FILE",
            help="PEM file of the authority that vouches for them.",
        ),
    ] = None,
    gpu_page_server_name: Annotated[
        str | None,
        typer.Option(
            envvar="INFEROMETER_GPU_PAGE_SERVER_NAME",
            metavar="NAME",
            help="Name in their certificate, where not the host.",
        ),
    ] = None,
    gpu_page_cert_file: Annotated[
        Path | None,
        typer.Option(
            envvar="INFEROMETER_GPU_PAGE_CERT_FILE", metavar="FILE", help="PEM file with which we show them who we are."
        ),
    ] = None,
    gpu_page_key_file: Annotated[
        Path | None,
        typer.Option(
            envvar="INFEROMETER_GPU_PAGE_KEY_FILE", metavar="FILE", help="PEM file of its key, where it is another."
        ),
    ] = None,
    engine_page: Annotated[
        list[str] | None,
        typer.Option(
            envvar="INFEROMETER_ENGINE_PAGE",
            metavar="SERVICE:ENGINE=URL",
            help="Page of a foreign engine, as llm:vllm=http://127.0.0.1:8000/metrics; may be given more than once.",
        ),
    ] = None,
    replay: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Recorded GPU readings, for hosts without a GPU.")
    ] = None,
    otlp_grpc: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT", help="Where spans come in over gRPC, or off; else 127.0.0.1:4317, where that is free."
        ),
    ] = None,
    otlp_http: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT", help="Where spans come in over HTTP, or off; else 127.0.0.1:4318, where that is free."
        ),
    ] = None,
    frames_tcp: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT", help="Where frames come in over TCP, such as 127.0.0.1:9466; not at all without it."
        ),
    ] = None,
    token_file: Annotated[
        Path | None,
        typer.Option(
            envvar="INFEROMETER_SIDECAR_TOKEN_FILE",
            metavar="FILE",
            help="File of the token that every TCP port asks for.",
        ),
    ] = None,
    tls_cert: Annotated[
        Path | None, typer.Option(metavar="FILE", help="PEM file: every TCP port speaks TLS with it.")
    ] = None,
    tls_key: Annotated[
        Path | None, typer.Option(metavar="FILE", help="PEM file of its key, where it is another.")
    ] = None,
    tls_client_ca: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="PEM file: only clients with a certificate of this authority are heard."),
    ] = None,
    instance_type: Annotated[
        str,
        typer.Option(
            envvar="INFEROMETER_INSTANCE_TYPE",
            metavar="TYPE",
            help="This host's type, as its provider calls it: its price is used, of INFEROMETER_REGION.",
        ),
    ] = "",
    price_kind: Annotated[
        PriceKind,
        typer.Option(
            parser=one_of(PriceKind),
            envvar="INFEROMETER_PRICE_KIND",
            metavar="on_demand|spot|reserved|owned",
            help="Kind of that price.",
        ),
    ] = PriceKind.ON_DEMAND,
    opencost: Annotated[
        str | None,
        typer.Option(
            envvar="INFEROMETER_OPENCOST", metavar="URL", help="OpenCost's page, for its price of this node's GPUs."
        ),
    ] = None,
    nice: Annotated[
        int,
        typer.Option(
            min=0,
            max=niceness.MOST,
            envvar="INFEROMETER_SIDECAR_NICE",
            metavar="NUMBER",
            help="How far it steps back behind what it watches, where processors are short.",
        ),
    ] = niceness.USUAL,
    with_stdin: Annotated[bool, typer.Option("--with-stdin", help="End when standard input does.")] = False,
) -> None:
    """Take in the records of this host: metrics, cost ledger, flight recorder, traces."""
    niceness.step_back(nice)  # Before the imports, which are most of its start.
    with plain_errors():
        from inferometer_compose.commands import sidecar as command  # noqa: PLC0415 - imports the store
        from inferometer_compose.commands.page_access import PageOptions  # noqa: PLC0415 - the same

        options = command.Options(
            socket=socket,
            metrics=metrics,
            api=api,
            state=state,
            thresholds=thresholds,
            otlp=otlp,
            gpu=gpu,
            gpu_pages=gpu_page or (),
            gpu_access=PageOptions(
                token_file=gpu_page_token_file,
                username=gpu_page_username,
                password_file=gpu_page_password_file,
                ca_file=gpu_page_ca_file,
                server_name=gpu_page_server_name,
                cert_file=gpu_page_cert_file,
                key_file=gpu_page_key_file,
            ),
            engine_pages=engine_page or (),
            replay=replay,
            ports=command.PortOptions(
                otlp_grpc=otlp_grpc,
                otlp_http=otlp_http,
                frames_tcp=frames_tcp,
                token_file=token_file,
                tls_cert=tls_cert,
                tls_key=tls_key,
                tls_client_ca=tls_client_ca,
            ),
            with_stdin=with_stdin,
            instance_type=instance_type,
            price_kind=price_kind,
            opencost=opencost,
        )
        code = command.run(options)
    raise typer.Exit(code)
