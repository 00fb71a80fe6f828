"""The standard variables of OpenTelemetry, each with what is right and what is wrong."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inferometer.otlp import endpoint as module
from inferometer.otlp.endpoint import Endpoint, Protocol

BASE = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}


def read(**more) -> Endpoint:
    found = Endpoint.from_env({**BASE, **{f"OTEL_EXPORTER_OTLP_{name}": value for name, value in more.items()}})
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("variables", "url"),
    [
        ({}, "http://collector:4318/v1/traces"),
        ({"ENDPOINT": "http://host/otlp/"}, "http://host/otlp/v1/traces"),
        ({"TRACES_ENDPOINT": "https://host/exact"}, "https://host/exact"),
        ({"TRACES_ENDPOINT": "https://host"}, "https://host"),
        ({"PROTOCOL": "grpc"}, "http://collector:4318"),
        ({"PROTOCOL": "grpc", "ENDPOINT": "host:4317"}, "https://host:4317"),
        ({"PROTOCOL": "grpc", "ENDPOINT": "host:4317", "INSECURE": "true"}, "http://host:4317"),
        ({"PROTOCOL": "grpc", "TRACES_ENDPOINT": "[::1]:4317", "TRACES_INSECURE": "true"}, "http://[::1]:4317"),
    ],
)
def test_the_address_is_made_as_the_specification_says(variables, url):
    assert read(**variables).url == url


@pytest.mark.parametrize(
    ("named", "url"),
    [
        ("http://127.0.0.1:14318", "http://127.0.0.1:14318/v1/traces"),
        ("http://127.0.0.1:14318/", "http://127.0.0.1:14318/v1/traces"),
        ("http://host/otlp/v1/traces", "http://host/otlp/v1/traces"),
    ],
)
def test_an_option_stands_before_the_environment(named, url):
    found = Endpoint.from_env({**BASE, "OTEL_EXPORTER_OTLP_HEADERS": "k=v"}, named)

    assert found is not None
    assert (found.url, found.headers) == (url, {"k": "v"})


def test_nobody_is_sent_to_whom_nobody_names():
    assert Endpoint.from_env({}) is None


def test_without_further_variables_the_specification_holds():
    found = read()

    assert (found.protocol, found.compressed, found.timeout_seconds, found.headers) == (Protocol.HTTP, False, 10.0, {})
    assert not found.is_secure


def test_the_variable_of_traces_stands_before_that_of_all_signals():
    found = read(HEADERS="a=1", TRACES_HEADERS="b=2", COMPRESSION="none", TRACES_COMPRESSION="gzip")

    assert (found.headers, found.compressed) == ({"b": "2"}, True)


def test_headers_are_percent_encoded():
    found = read(HEADERS="Authorization=Basic%20dXNlcjpwYXNz, x-scope = a%2Cb%3D ,")

    assert found.headers == {"authorization": "Basic dXNlcjpwYXNz", "x-scope": "a,b="}


@pytest.mark.parametrize(("text", "seconds"), [("10000", 10.0), ("500", 0.5), ("10", 10.0), ("2.5", 2.5)])
def test_a_timeout_is_in_milliseconds_unless_it_can_only_be_meant_in_seconds(text, seconds):
    assert read(TIMEOUT=text).timeout_seconds == seconds


def test_certificates_are_files(tmp_path):
    paths = {name: tmp_path / name for name in ("ca", "client", "key")}
    for path in paths.values():
        path.write_text("pem")
    found = read(CERTIFICATE=str(paths["ca"]), CLIENT_CERTIFICATE=str(paths["client"]), CLIENT_KEY=str(paths["key"]))

    assert (found.certificate, found.client_certificate, found.client_key) == tuple(paths.values())


@pytest.mark.parametrize(
    ("name", "text", "hint"),
    [
        ("PROTOCOL", "http/json", "http/protobuf or grpc is right"),
        ("COMPRESSION", "zstd", "gzip or none is right"),
        ("TIMEOUT", "soon", "milliseconds up to"),
        ("TIMEOUT", "0", "milliseconds up to"),
        ("CERTIFICATE", "/nowhere.pem", "a file is right"),
        ("HEADERS", "secret", "name=value pairs"),
        ("HEADERS", "a b=1", "name=value pairs"),
        ("HEADERS", "a=x%0D%0Ainjected: 1", "name=value pairs"),
    ],
)
def test_a_wrong_value_gets_one_warning_and_the_default(caplog, name, text, hint):
    found = read(**{name: text})

    assert found == Endpoint(url="http://collector:4318/v1/traces", compressed=False)
    (record,) = caplog.records
    assert f"OTEL_EXPORTER_OTLP_{name}=" in record.getMessage()
    assert hint in record.getMessage()
    assert "secret" not in record.getMessage()


def test_all_that_is_wrong_is_one_warning(caplog):
    read(TIMEOUT="x", COMPRESSION="y", INSECURE="z", PROTOCOL="grpc", TRACES_ENDPOINT="host:1")

    (record,) = caplog.records
    assert [name in record.getMessage() for name in ("TIMEOUT", "COMPRESSION", "INSECURE")] == [True, True, True]


@pytest.mark.parametrize("url", ["collector:4318", "ftp://collector", "http://", "/v1/traces"])
def test_what_is_no_address_exports_nothing_and_says_so(caplog, url):
    assert Endpoint.from_env({"OTEL_EXPORTER_OTLP_ENDPOINT": url}) is None
    assert "an http or https URL is right; no trace is exported" in caplog.text


def test_grpc_without_grpcio_is_said_and_http_goes(caplog, monkeypatch):
    monkeypatch.setattr(module, "find_spec", lambda _: None)

    assert read(PROTOCOL="grpc").protocol is Protocol.HTTP
    assert 'this needs the package grpcio: pip install "inferometer[grpc] @ file:///' in caplog.text


NAMES = ["ENDPOINT", "HEADERS", "TIMEOUT", "PROTOCOL", "COMPRESSION", "CERTIFICATE", "INSECURE"]


@given(st.dictionaries(st.sampled_from(NAMES), st.text(max_size=50)))
def test_no_text_of_a_variable_raises(variables):
    environ = {f"OTEL_EXPORTER_OTLP_{name}": text for name, text in variables.items()}
    found = Endpoint.from_env(environ)

    assert found is None or Path(found.url)
