"""Faults do what they say: the relay delays, the throttle takes time away and gives the process back."""

import asyncio
import subprocess
import sys
import threading
import time
from pathlib import Path

from inferometer_compose.faults import MEANING, Fault, window_of
from inferometer_compose.fleet.relay import relay
from inferometer_compose.fleet.throttle import throttle

COUNT = "import time\nwhile True: print(time.process_time(), flush=True); time.sleep(0.001)"


def state_of(pid):
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def test_every_fault_has_words():
    assert set(MEANING) == set(Fault)


def test_a_fault_is_on_from_a_fifth_to_a_half():
    window = window_of(60.0)

    assert [window.covers(seconds) for seconds in (11.9, 12.0, 29.9, 30.0)] == [False, True, True, False]


def test_a_relay_delivers_every_byte_late():
    async def ask():
        async def echo(reader, writer):
            writer.write(await reader.readexactly(100_000))
            await writer.drain()
            writer.close()

        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with server, relay("127.0.0.1", port, delay_seconds=0.03) as late_port:
            reader, writer = await asyncio.open_connection("127.0.0.1", late_port)
            began = time.monotonic()
            writer.write(bytes(range(250)) * 400)
            answer = await reader.read(-1)
            took = time.monotonic() - began
            writer.close()
        return answer, took

    answer, took = asyncio.run(ask())

    assert answer == bytes(range(250)) * 400
    assert took > 0.06


def test_a_relay_that_nobody_answers_behind_closes_the_connection():
    async def ask():
        server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        server.close()
        await server.wait_closed()
        async with relay("127.0.0.1", port, delay_seconds=0) as late_port:
            reader, writer = await asyncio.open_connection("127.0.0.1", late_port)
            answer = await reader.read(-1)
            writer.close()
        return answer

    assert asyncio.run(ask()) == b""


def test_a_throttled_process_is_stopped_most_of_the_time_and_runs_again_afterwards():
    with subprocess.Popen([sys.executable, "-c", COUNT], stdout=subprocess.PIPE) as child:
        lines = []
        threading.Thread(target=lambda: lines.extend(child.stdout), daemon=True).start()
        states = []
        thread = threading.Thread(target=throttle, args=(child.pid,), kwargs={"until": time.monotonic() + 1.2})
        thread.start()
        while thread.is_alive():
            states.append(state_of(child.pid))
            time.sleep(0.005)

        assert 0.5 < states.count("T") / len(states) < 0.95
        assert state_of(child.pid) != "T"
        child.kill()


def test_a_throttle_ends_with_its_process():
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    child.wait()

    throttle(child.pid, until=time.monotonic() + 30)

    assert not Path(f"/proc/{child.pid}").exists()
