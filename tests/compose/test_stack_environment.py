"""What the shell says of its own workers and sidecar is nothing to the stack that a demo starts."""

from pathlib import Path

import pytest

from inferometer.settings import Settings
from inferometer_compose.stack.fleet import SERVICES, SidecarPorts, service, sidecar

SHELL = {
    "INFEROMETER_SIDECAR_TOKEN_FILE": "/run/secrets/token",
    "INFEROMETER_SIDECAR_CERTIFICATE": "/run/secrets/ca.pem",
    "INFEROMETER_ENABLED": "0",
    "INFEROMETER_TRACES": "off",
    "INFEROMETER_EXCLUDED_PATHS": "/search",
    "INFEROMETER_THRESHOLDS": "/etc/thresholds.json",
    "POD_NAME": "mine",
}
SOCKET = Path("/run/s.sock")
COMMANDS = {
    "sidecar": sidecar(
        Path("state"), ports=SidecarPorts(1, 2), socket=SOCKET, thresholds=Path("thresholds.json"), otlp=None
    ),
    **{name: service(name, ports=dict.fromkeys(SERVICES, 1), socket=SOCKET) for name in SERVICES},
}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_token_of_the_shell_shuts_nobody_of_the_stack_out(name):
    settings = Settings.from_env({**SHELL, **COMMANDS[name].environment})

    assert settings.sidecar_token_file is settings.sidecar_certificate is settings.thresholds is None
    assert settings.excluded_paths == Settings.from_env({}).excluded_paths
    assert settings.traces == Settings.from_env({}).traces
    assert settings.pod_name == "mine"


@pytest.mark.parametrize("name", SERVICES)
def test_services_of_the_stack_are_watched_whatever_the_shell_says(name):
    settings = Settings.from_env({**SHELL, **COMMANDS[name].environment})

    assert (settings.enabled, settings.sidecar) == (True, f"unix://{SOCKET}")
