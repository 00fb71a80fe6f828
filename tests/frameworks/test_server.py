"""A server in a process of its own, with the one line after its models: their runs are told like all others."""

import os
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import onnx
import pytest
from free_ports import free_port
from onnx import TensorProto, helper
from polling import until

from inferometer.catalog.stages import Kind
from inferometer.testing import Collector


@pytest.fixture
def served(tmp_path):
    entries = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["rows", 4]) for name in "xy"]
    graph = helper.make_graph([helper.make_node("Add", ["x", "x"], ["y"])], "g", entries[:1], entries[1:])
    path = tmp_path / "doubler.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), str(path))
    port = free_port()
    with Collector(tmp_path / "i.sock") as collector:
        environ = {**os.environ, "INFEROMETER_SIDECAR": collector.address, "INFEROMETER_HOST": "host-1"}
        command = [sys.executable, str(Path(__file__).parent / "app_models.py"), str(port), str(path)]
        process = subprocess.Popen(command, env=environ)

        def up():
            assert process.poll() is None
            with socket.socket() as sock:
                return sock.connect_ex(("127.0.0.1", port)) == 0

        until(up, 90)
        yield port, collector
        process.terminate()
        process.wait(20)


def test_models_of_a_server_are_told_although_the_line_comes_after_them(served):
    port, collector = served
    for path in ("/generate?prompt=the%20cat%20sat", "/double?rows=3"):
        with urllib.request.urlopen(
            urllib.request.Request(f"http://127.0.0.1:{port}{path}", method="POST"), timeout=60
        ) as answer:
            assert answer.status == 200
    generated, doubled = collector.wait(2)

    assert [run.kind for run in generated.executes] == [Kind.PREFILL, Kind.DECODE]
    assert (generated.tokens_in, generated.tokens_out) == (4, 4)
    assert generated.labels.model == "LlamaForCausalLM"
    assert [(run.rows, run.device) for run in doubled.executes] == [(3, "host-1")]
    assert doubled.labels.model == "doubler"
