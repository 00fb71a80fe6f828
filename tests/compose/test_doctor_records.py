"""What the doctor says of the socket that leads from this shell to a sidecar."""

import socket
from contextlib import closing

import pytest

from inferometer.catalog import telemetry
from inferometer_compose.doctor import records
from inferometer_compose.doctor.link import Link, State, Where
from inferometer_exporters.pages.exposition import points

NOWHERE = "http://127.0.0.1:9"


@pytest.fixture
def listening():
    """The address of somebody who listens."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


def socket_link(address: str, page: str, runtime_dir, *, metrics: str) -> Link:
    looked = Where(
        metrics=f"http://{address}/metrics", api=NOWHERE, prometheus=NOWHERE, jaeger=NOWHERE, grafana=None, fleet=None,
        time_scale=1, environment={"INFEROMETER_RUNTIME_DIR": str(runtime_dir), "INFEROMETER_METRICS": metrics},
    )  # fmt: skip
    # What was read of the page is kept with where it is.
    looked.__dict__["page"] = points(page.encode())
    return next(iter(records.look(looked)))


def test_a_sidecar_of_a_demo_is_nothing_to_mend_though_this_shell_does_not_lead_to_it(listening, tmp_path):
    tmp_path.chmod(0o700)
    page = f"{telemetry.BUILD_INFO.name} 1\n"

    link = socket_link(listening, page, tmp_path, metrics=listening)

    assert link.state is State.UNSEEN
    assert "other workers find it by INFEROMETER_SIDECAR" in link.says


def test_somebody_else_on_the_port_of_our_page_is_in_the_way(listening, tmp_path):
    tmp_path.chmod(0o700)

    link = socket_link(listening, "up 1\n", tmp_path, metrics=listening)

    assert link.state is State.BROKEN
    assert f"{listening} is taken" in link.says


def test_a_sidecar_elsewhere_excuses_no_port_that_is_taken(listening, tmp_path):
    tmp_path.chmod(0o700)
    page = f"{telemetry.BUILD_INFO.name} 1\n"

    link = socket_link("127.0.0.1:9", page, tmp_path, metrics=listening)

    assert link.state is State.BROKEN
