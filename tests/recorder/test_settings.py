"""Settings come from the environment; what is wrong gets one warning and the default."""

import logging
from dataclasses import fields
from pathlib import Path

import pytest

from inferometer import generated_tables, settings_table
from inferometer.settings import VARIABLES, Settings
from inferometer.settings_table import meanings


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


def test_a_port_alone_is_on_loopback():
    assert Settings.from_env({"INFEROMETER_METRICS": ":9464"}).metrics == "127.0.0.1:9464"


def test_the_runtime_directory_is_the_users_own():
    assert Settings.from_env({"XDG_RUNTIME_DIR": "/run/user/7"}).runtime_dir == Path("/run/user/7/inferometer")
    assert Settings.from_env({}).runtime_dir.name.startswith("inferometer-")


def test_every_field_names_its_variable_and_says_what_it_means():
    for field in fields(Settings):
        if field.name == "service_named":
            continue
        assert meanings()[field.name].startswith(f"{VARIABLES[field.name]}: "), field.name


def test_every_number_has_its_unit_in_its_name():
    numbers = [field.name for field in fields(Settings) if type(field.default) in {int, float}]

    assert {"flush_seconds", "buffered_requests", "frame_bytes"} <= set(numbers)
    assert all(name.endswith(("_seconds", "_bytes", "_requests", "_ratio")) for name in numbers), numbers


def test_the_table_in_the_documents_is_that_of_the_code(capsys, tmp_path):
    page = Path(__file__).parents[2] / "docs" / "settings.md"
    other = tmp_path / "settings.md"
    other.write_text(page.read_text().replace("| `OTEL_SERVICE_NAME`", "| `OTEL_NAME`"))

    def run(*arguments):
        return generated_tables.main("inferometer.settings_table", list(arguments), settings_table.TABLES)

    assert run("--check", str(page)) == 0, "run `make generate`"
    assert run("--check", str(other)) == 1
    assert f"{other} is out of date with inferometer.settings_table" in capsys.readouterr().err
    assert run(str(other)) == 0
    assert other.read_text() == page.read_text()


def test_what_is_wrong_is_read_without_a_warning(caplog):
    settings, wrong = Settings.read({"INFEROMETER_EXIT_SECONDS": "soon", "INFEROMETER_REGION": "eu-1"})

    assert (settings.region, settings.exit_seconds) == ("eu-1", 2.0)
    assert wrong == ["INFEROMETER_EXIT_SECONDS='soon': seconds from 0 to 60 are right"]
    assert caplog.text == ""


@pytest.mark.parametrize(
    ("variable", "value", "right"),
    [
        ("INFEROMETER_ENABLED", "perhaps", "1 or 0 is right"),
        ("INFEROMETER_METRICS", "9464x", "host:port is right"),
        ("INFEROMETER_METRICS", "127.0.0.1:99999", "host:port is right"),
        ("INFEROMETER_SIDECAR", "localhost:9466", "unix:///path, tcp://host:port or tls://host:port is right"),
        ("INFEROMETER_SIDECAR", "tcp://localhost:99999", "unix:///path, tcp://host:port or tls://host:port is right"),
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
