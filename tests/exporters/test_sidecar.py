"""The sidecar as a whole: refusals, addresses, a clean end."""

import json
import signal
import subprocess
import sys
import threading

import pytest

from inferometer.errors import RefusedError, StateError
from inferometer_exporters.ports import Address
from inferometer_exporters.sidecar import Sidecar

PROGRAM = """
import sys
from pathlib import Path
from inferometer_exporters.ports import Address
from inferometer_exporters.serving import run
from inferometer_exporters.sidecar_settings import SidecarSettings
base = Path(sys.argv[1])
run(SidecarSettings(socket=base / "s.sock", state=base / "state", metrics=Address("127.0.0.1", 0),
                    api=Address("127.0.0.1", 0), host="box"))
"""


def test_a_sidecar_serves_metrics_and_api_and_ends_cleanly(tmp_path, until, settings, get):
    sidecar = Sidecar(settings(tmp_path))
    thread = threading.Thread(target=sidecar.run)
    thread.start()
    try:
        page = f"http://127.0.0.1:{sidecar.page.port}/metrics"
        until(lambda: "device_ledger_seconds_total" in get(page))
        assert json.loads(get(f"http://127.0.0.1:{sidecar.api_port}/healthz")) == {"status": "ok"}
        assert 'component="sidecar"' in get(page)
    finally:
        sidecar.stop()
        thread.join(10)

    assert not thread.is_alive()
    assert not (tmp_path / "s.sock").exists()


def test_a_second_sidecar_is_refused_on_the_socket_the_folder_and_a_port(tmp_path, settings):
    first = Sidecar(settings(tmp_path))
    try:
        with pytest.raises(RefusedError, match="listens on"):
            Sidecar(settings(tmp_path))
        metrics, api = Address("127.0.0.1", first.page.port), Address("127.0.0.1", first.api_port)
        with pytest.raises(RefusedError, match="cannot serve /metrics"):
            Sidecar(settings(tmp_path / "other", metrics=metrics))
        with pytest.raises(RefusedError, match="cannot serve the API"):
            Sidecar(settings(tmp_path / "other", api=api))
    finally:
        first.close()
    # Nothing of a refused one is left behind.
    Sidecar(settings(tmp_path / "other")).close()


def test_files_that_cannot_be_used_are_named(tmp_path, settings):
    with pytest.raises(StateError, match=r"none\.json"):
        Sidecar(settings(tmp_path, thresholds=tmp_path / "none.json"))
    with pytest.raises(StateError, match=r"none\.csv"):
        Sidecar(settings(tmp_path, replay=tmp_path / "none.csv"))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_process_and_it_says_where_the_recorder_is(tmp_path, number):
    process = subprocess.Popen([sys.executable, "-c", PROGRAM, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(3)]
    process.send_signal(number)
    rest, _ = process.communicate(timeout=20)

    assert [line.split()[0] for line in lines] == ["frames", "metrics", "api"]
    assert process.returncode == 0
    assert rest == f"recorder {tmp_path / 'state' / 'recorder.duckdb'}\n"


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:9464", Address("127.0.0.1", 9464)),
        (":9464", Address("127.0.0.1", 9464)),
        ("9464", Address("127.0.0.1", 9464)),
        ("[::1]:9464", Address("::1", 9464)),
    ],
)
def test_an_address_is_host_and_port(text, address):
    assert Address.parse(text) == address


@pytest.mark.parametrize("text", ["", "host", "host:port", "1.2.3.4:70000"])
def test_what_is_no_address_is_refused(text):
    with pytest.raises(RefusedError, match="HOST:PORT is right"):
        Address.parse(text)
