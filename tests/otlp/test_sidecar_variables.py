"""The sidecar reads the same variables as the worker that holds an intake; its option names another receiver."""

import pytest

from inferometer.otlp.endpoint import Protocol
from inferometer_compose.commands.sidecar import Options, settings_of

VARIABLES = {
    "OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318",
    "OTEL_EXPORTER_OTLP_HEADERS": "x-key=secret",
    "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip",
}


@pytest.mark.parametrize(
    ("option", "url"),
    [(None, "http://collector:4318/v1/traces"), ("http://127.0.0.1:14318", "http://127.0.0.1:14318/v1/traces")],
)
def test_the_sidecar_sends_where_the_variables_and_its_option_say(tmp_path, option, url):
    options = Options(
        socket=tmp_path / "s", metrics="127.0.0.1:0", api="127.0.0.1:0", state=tmp_path, thresholds=None, otlp=option,
        replay=None,
    )  # fmt: skip
    found = settings_of(options, VARIABLES).otlp

    assert found is not None
    assert (found.url, found.headers, found.compressed) == (url, {"x-key": "secret"}, True)
    assert found.protocol is Protocol.HTTP
    assert settings_of(options, {}).otlp is None or option is not None
