"""A sidecar as a process of its own, on free ports: ``sidecar_program.py FOLDER [OTLP [TOKEN [CERT KEY [CA]]]]``."""

import sys
from pathlib import Path

from inferometer.access import Access, Certificates, Token
from inferometer.otlp.endpoint import Endpoint
from inferometer_exporters.ports import Address, Ports
from inferometer_exporters.serving import run
from inferometer_exporters.sidecar_settings import SidecarSettings


def main(folder, otlp="", token="", certificate="", key="", authority=""):
    base = Path(folder)
    free = Address("127.0.0.1", 0)
    certificates = None
    if certificate:
        certificates = Certificates(
            certificate=Path(certificate), key=Path(key), client_authority=Path(authority) if authority else None
        )
    run(
        SidecarSettings(
            socket=base / "s.sock",
            state=base / "state",
            metrics=free,
            api=free,
            host="box",
            region="here",
            otlp=Endpoint(url=f"{otlp}/v1/traces", compressed=False) if otlp else None,
            ports=Ports(
                otlp_grpc=free,
                otlp_http=free,
                frames_tcp=free,
                access=Access(token=Token.read(Path(token)) if token else None, certificates=certificates),
            ),
        )
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
