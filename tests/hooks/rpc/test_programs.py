"""Programs that serve by gRPC: the example, and a child of a fork."""

import os
import subprocess
import sys
from pathlib import Path

import grpc

from inferometer.catalog.stages import Outcome, Stage
from inferometer.record.partition import partition
from inferometer.testing import Collector

HERE = Path(__file__).parent
EXAMPLE = HERE.parents[2] / "examples" / "grpc_server.py"


def environment(collector):
    environ = {**os.environ, "INFEROMETER_SIDECAR": collector.address, "INFEROMETER_FLUSH_SECONDS": "0.05"}
    environ.pop("OTEL_SERVICE_NAME", None)
    return environ


def test_the_example_is_short_and_recorded(tmp_path):
    with Collector(tmp_path / "intake.sock") as collector:
        program = subprocess.Popen(
            [sys.executable, EXAMPLE], env=environment(collector), stdout=subprocess.PIPE, text=True
        )
        try:
            with grpc.insecure_channel(program.stdout.readline().strip()) as channel:
                answer = channel.unary_unary("/models.Words/Count")(b"how many words are these", timeout=20)
            (record,) = collector.wait(1, 20)
        finally:
            program.kill()
            program.communicate()

    assert len(EXAMPLE.read_text().splitlines()) <= 30
    assert answer == b"5"
    assert (record.labels.service, record.labels.model, record.outcome) == ("grpc_server", "counter", Outcome.OK)
    assert partition(record).total(Stage.EXECUTE) > 0


def test_a_child_of_a_fork_serves_and_its_parent_has_touched_nothing(tmp_path):
    with Collector(tmp_path / "intake.sock") as collector:
        subprocess.run([sys.executable, HERE / "grpc_forked.py"], env=environment(collector), check=True, timeout=60)
        records = collector.wait(3, 20)

    assert {record.labels.route for record in records} == {"test.Echo/Say"}
    assert len({record.trace_id for record in records}) == 3
    assert len({hello.pid for hello in collector.hellos}) == 1
