"""The event loop's lag, by a timer in it and by asking from outside."""

import asyncio
import time

from inferometer.recorder.loop_lag import LoopLag


def test_a_blocked_loop_is_late_by_its_timer():
    lag = LoopLag()

    async def act():
        assert lag.watch()
        assert not lag.watch()
        await asyncio.sleep(0)
        time.sleep(0.2)  # noqa: ASYNC251 - it is to block
        await asyncio.sleep(0.01)
        return lag.take()

    assert asyncio.run(act()) >= 90_000_000


def test_who_waits_for_an_answer_knows_how_long():
    lag = LoopLag()

    async def act():
        lag.ask(asyncio.get_running_loop())
        lag.take()
        time.sleep(0.05)  # noqa: ASYNC251 - it is to block
        waiting = lag.take()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return waiting, lag.take()

    waiting, answered = asyncio.run(act())

    assert waiting >= 50_000_000
    assert answered >= 50_000_000


def test_a_loop_that_is_watched_is_not_asked_and_a_closed_one_makes_way():
    lag = LoopLag()

    async def watch():
        lag.watch()
        lag.ask(asyncio.get_running_loop())
        return len(asyncio.get_running_loop()._scheduled)

    async def ask():
        lag.ask(asyncio.get_running_loop())
        lag.take()
        await asyncio.sleep(0.01)
        return len(asyncio.get_running_loop()._scheduled)

    assert asyncio.run(watch()) == 1
    assert asyncio.run(ask()) == 0
    assert lag.take() < 10**9
    assert asyncio.run(ask()) == 0


def test_after_a_fork_no_loop_is_asked():
    lag = LoopLag()

    async def act():
        lag.ask(asyncio.get_running_loop())
        lag.take()
        time.sleep(0.02)  # noqa: ASYNC251 - it is to block
        lag.after_fork()
        return lag.take()

    assert asyncio.run(act()) == 0
