"""Processes are started, waited for and ended with their whole group."""

import os
import signal
import socket
import sys
import time

import pytest

from inferometer_compose.stack import ports as ports_module
from inferometer_compose.stack.local import LocalStack, Peers
from inferometer_compose.stack.ports import Ports, is_free
from inferometer_compose.stack.process import Command, Process, StartError, end_all
from inferometer_compose.stack.programs import Program

FOREVER = "import time; print('up', flush=True); time.sleep(600)"


def python(code, *, name="child", pipe=False):
    return Command(name, [sys.executable, "-c", code], {"FROM_US": "yes"}, pipe=pipe)


def gone(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def wait_for(condition, seconds=10.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        time.sleep(0.02)


def test_a_process_is_ready_when_its_condition_holds(tmp_path):
    process = Process(python(FOREVER), tmp_path)

    seconds = process.wait_until(lambda: "up" in process.log.read_text(), within_seconds=10)

    assert 0 < seconds < 10
    process.end(within_seconds=5)
    assert not process.running()


def test_a_process_that_ends_early_says_so_with_the_end_of_its_log(tmp_path):
    process = Process(python("import sys; sys.exit('no port left')"), tmp_path)

    with pytest.raises(StartError, match=r"child ended with status 1\n  .*child.log:\n    no port left"):
        process.wait_until(lambda: False, within_seconds=10)


def test_a_process_that_takes_too_long_says_so(tmp_path):
    process = Process(python(FOREVER), tmp_path)

    with pytest.raises(StartError, match="child was not ready after 0 s"):
        process.wait_until(lambda: False, within_seconds=0.2)
    process.end(within_seconds=5)


def test_a_program_that_does_not_exist_is_an_error_of_ours(tmp_path):
    with pytest.raises(StartError, match="nothing cannot be started: there is no program /no/such/program"):
        Process(Command("nothing", ["/no/such/program"], {}), tmp_path)


def test_who_ignores_sigterm_is_killed_with_his_children(tmp_path):
    code = (
        "import signal, subprocess, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        f"child = subprocess.Popen([sys.executable, '-c', {FOREVER!r}]); print(child.pid, flush=True); time.sleep(600)"
    )
    process = Process(python(code), tmp_path)
    process.wait_until(lambda: "up" in process.log.read_text(), within_seconds=10)
    grandchild = int(process.log.read_text().split()[0])

    end_all([process], within_seconds=0.3)

    assert not process.running()
    wait_for(lambda: gone(grandchild))


def test_nobody_outlives_one_who_is_killed(tmp_path):
    child = f"Command('child', [sys.executable, '-c', {FOREVER!r}], {{}}, nice=1)"
    code = (
        "import sys, time; from pathlib import Path; from inferometer_compose.stack.process import Command, Process;"
        f"child = Process({child}, Path({str(tmp_path)!r}));"
        "child.wait_until(lambda: 'up' in child.log.read_text(), within_seconds=10);"
        "print(child.pid, flush=True); time.sleep(600)"
    )
    parent = Process(Command("parent", [sys.executable, "-c", code], {}, pipe=True), tmp_path)
    child = int(parent.output.readline())
    assert not gone(child)

    os.kill(parent.pid, signal.SIGKILL)

    wait_for(lambda: gone(child))
    parent.end(within_seconds=5)


def test_a_stopped_process_hears_that_it_shall_end(tmp_path):
    process = Process(python(FOREVER), tmp_path)
    process.wait_until(lambda: "up" in process.log.read_text(), within_seconds=10)
    os.kill(process.pid, 19)

    began = time.monotonic()
    process.end(within_seconds=8)

    assert time.monotonic() - began < 5


def test_output_is_ours_where_the_command_asks_for_a_pipe(tmp_path):
    process = Process(python("import os; print(os.environ['FROM_US'])", pipe=True), tmp_path)

    assert process.output is not None
    assert process.output.read() == b"yes\n"
    process.end(within_seconds=5)


def test_a_busy_port_gets_another_with_a_word_about_it():
    with socket.create_server(("127.0.0.1", 0)) as server:
        busy = server.getsockname()[1]
        ports = Ports()

        other = ports.take(busy, "Prometheus")

        assert other != busy
        assert is_free(other)
        assert ports.notes == [f"port {busy} is busy: Prometheus is on {other}"]


def test_a_port_is_handed_out_once():
    ports = Ports()
    first = ports.take(0, "anything")

    assert first > 0
    assert ports.take(first, "another") != first


def test_a_port_that_the_system_offers_again_before_it_is_bound_is_not_handed_out_again(monkeypatch):
    offered = iter([20_001, 20_001, 20_001, 20_002])
    monkeypatch.setattr(ports_module, "_any_free", lambda: next(offered))
    ports = Ports()

    assert [ports.take(0, "one"), ports.take(0, "another")] == [20_001, 20_002]


def test_a_stack_ends_who_sends_before_the_sidecar_and_the_sidecar_before_its_peers(tmp_path):
    """A sidecar that ends with its Jaeger waits for it, and a service that ends with its sidecar for that."""
    none = Peers(prometheus=Program("Prometheus"), alertmanager=Program("Alertmanager"), jaeger=Program("Jaeger"))
    stack = LocalStack(tmp_path, none, time_scale=1)
    ended = tmp_path / "ended"
    for name in ("jaeger", "sidecar", "gateway", "load"):
        code = (
            "import signal, sys, time\n"
            f"def end(*_): time.sleep(0.2); open({str(ended)!r}, 'a').write('{name}\\n'); sys.exit()\n"
            "signal.signal(signal.SIGTERM, end); print('up', flush=True); time.sleep(600)"
        )
        process = stack._start(python(code, name=name))
        process.wait_until(lambda log=process.log: "up" in log.read_text(), within_seconds=10)

    stack.end()

    names = ended.read_text().split()
    assert sorted(names[:2]) == ["gateway", "load"]
    assert names[2:] == ["sidecar", "jaeger"]
