"""Settings come from the environment; what is wrong gets one warning and the default."""

import logging
from pathlib import Path

import pytest

from inferometer.settings import Settings


def test_every_variable_reaches_its_field():
    settings = Settings.from_env(
        {
            "OTEL_SERVICE_NAME": "embedder",
            "INFEROMETER_REGION": "eu-1",
            "INFEROMETER_SIDECAR": "tcp://127.0.0.1:9466",
            "INFEROMETER_RUNTIME_DIR": "/run/inferometer",
            "INFEROMETER_TENANT_HEADER": "X-Customer",
            "INFEROMETER_EXCLUDED_PATHS": "/a, /b",
            "INFEROMETER_FLUSH_SECONDS": "0.5",
            "INFEROMETER_THRESHOLDS": "/etc/thresholds.json",
        }
    )

    assert (settings.service, settings.service_named, settings.region) == ("embedder", True, "eu-1")
    assert settings.sidecar == "tcp://127.0.0.1:9466"
    assert settings.runtime_dir == Path("/run/inferometer")
    assert settings.tenant_header == "x-customer"
    assert settings.excluded_paths == {"/a", "/b"}
    assert settings.flush_seconds == 0.5
    assert settings.thresholds == Path("/etc/thresholds.json")


def test_the_runtime_directory_is_the_users_own():
    assert Settings.from_env({"XDG_RUNTIME_DIR": "/run/user/7"}).runtime_dir == Path("/run/user/7/inferometer")
    assert Settings.from_env({}).runtime_dir.name.startswith("inferometer-")


@pytest.mark.parametrize(
    ("variable", "value", "right"),
    [
        ("INFEROMETER_SIDECAR", "localhost:9466", "unix:///path or tcp://host:port is right"),
        ("INFEROMETER_SIDECAR", "tcp://localhost:99999", "unix:///path or tcp://host:port is right"),
        ("INFEROMETER_FLUSH_SECONDS", "250ms", "seconds from 0.01 to 10 are right"),
        ("INFEROMETER_FLUSH_SECONDS", "nan", "seconds from 0.01 to 10 are right"),
        ("INFEROMETER_BUFFERED_REQUESTS", "-1", "a whole number from 1 to 10000000 is right"),
        ("INFEROMETER_TENANT_HEADER", "x tenant", "the name of an HTTP header is right"),
        ("INFEROMETER_RUNTIME_DIR", "run", "an absolute path is right"),
        ("INFEROMETER_EXCLUDED_PATHS", "healthz", "paths that begin with / and are separated by commas are right"),
    ],
)
def test_a_wrong_value_is_one_warning_that_says_what_is_right(caplog, variable, value, right):
    with caplog.at_level(logging.WARNING, "inferometer"):
        settings = Settings.from_env({variable: value})

    (message,) = [record.getMessage() for record in caplog.records]
    assert f"{variable}={value!r}: {right}" in message
    assert settings == Settings.from_env({})
