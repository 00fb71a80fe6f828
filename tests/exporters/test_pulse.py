"""News of passes: whoever waits is told, once, and nobody waits for ever."""

import asyncio
import threading

from inferometer_exporters import pulse as module
from inferometer_exporters.pulse import Pulse


def test_who_is_behind_is_told_at_once():
    pulse = Pulse()
    pulse.beat(3)

    assert asyncio.run(pulse.after(0, 1.0)) == 3


def test_a_beat_of_another_thread_wakes_who_waits():
    pulse = Pulse()

    async def wait():
        beat = threading.Timer(0.02, pulse.beat, [1])
        beat.start()
        found = await pulse.after(0, 10.0)
        beat.join()
        return found

    assert asyncio.run(wait()) == 1


def test_a_pass_that_changed_nothing_wakes_nobody():
    pulse = Pulse()
    pulse.beat(1)
    pulse.beat(1)

    assert asyncio.run(pulse.after(1, 0.01)) is None


def test_only_so_many_wait(monkeypatch):
    monkeypatch.setattr(module, "MAX_WATCHERS", 1)
    pulse = Pulse()

    async def both():
        first = asyncio.create_task(pulse.after(0, 10.0))
        await asyncio.sleep(0)
        turned_away = await pulse.after(0, 10.0)
        pulse.beat(1)
        return turned_away, await first

    assert asyncio.run(both()) == (None, 1)


def test_who_waited_in_a_loop_that_is_over_is_forgotten():
    pulse = Pulse()

    async def leave():
        task = asyncio.create_task(pulse.after(0, 10.0))
        await asyncio.sleep(0)
        task.cancel()

    asyncio.run(leave())
    pulse.beat(1)

    assert pulse.number == 1
