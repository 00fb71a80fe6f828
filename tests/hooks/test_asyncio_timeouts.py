"""What an application's own asyncio.timeout cancels has timed out; what somebody else cancels was cancelled."""

import asyncio
import gc
from types import ModuleType

import pytest

from inferometer.catalog.stages import Outcome
from inferometer.hooks import asyncio_timeouts
from inferometer.hooks.patching import UnsupportedError
from inferometer.recorder import expired
from inferometer.recorder.outcome import of_exception

SOON = 0.001
"""Seconds; nothing here ends by itself."""


@pytest.fixture(autouse=True)
def _installed(hooked):
    asyncio_timeouts.install(hooked, asyncio.timeouts, "asyncio.timeouts")


async def judged(said, judge=of_exception):
    """Wait without an end, and say how what ended it is judged."""
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError as error:
        said.append(judge(error))
        raise


async def within(seconds, act):
    """Await *act* for so long, and no longer."""
    async with asyncio.timeout(seconds):
        await act


def times_out(seconds, act):
    with pytest.raises(TimeoutError):
        asyncio.run(within(seconds, act))


async def cancelled(act, begun):
    """Cancel a task when it has begun to wait."""
    task = asyncio.create_task(act)
    await begun.wait()
    # One turn of the loop: the task takes its first step, up to where it waits.
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def test_a_timeout_that_runs_out_makes_a_timeout():
    said = []

    times_out(SOON, judged(said))

    assert said == [Outcome.TIMEOUT]


def test_a_task_that_somebody_cancels_within_a_timeout_is_cancelled():
    said = []

    async def act():
        begun = asyncio.Event()
        begun.set()
        await cancelled(within(60, judged(said)), begun)

    asyncio.run(act())

    assert said == [Outcome.CANCELLED]


def test_a_timeout_that_was_left_says_nothing_of_what_comes_after_it():
    said = []

    async def later(begun, block):
        with pytest.raises(TimeoutError):
            async with block:
                await judged(said)
        begun.set()
        await judged(said)

    async def act():
        begun, block = asyncio.Event(), asyncio.timeout(SOON)
        await cancelled(later(begun, block), begun)
        assert block.expired(), "somebody holds it while the second is judged"

    asyncio.run(act())

    assert said == [Outcome.TIMEOUT, Outcome.CANCELLED]


@pytest.mark.parametrize(("outer", "inner"), [(SOON, 60), (60, SOON)], ids=["the outer one", "the inner one"])
def test_of_two_timeouts_around_each_other_either_counts(outer, inner):
    said = []

    times_out(outer, within(inner, judged(said)))

    assert said == [Outcome.TIMEOUT]


def test_the_timeout_of_one_task_says_nothing_of_another():
    ours, theirs = [], []

    async def both():
        other = asyncio.create_task(judged(theirs))
        try:
            await judged(ours)
        finally:
            other.cancel()
            await asyncio.gather(other, return_exceptions=True)

    times_out(SOON, both())

    assert (ours, theirs) == ([Outcome.TIMEOUT], [Outcome.CANCELLED])


async def of_a_coroutine(seconds, act):
    await asyncio.wait_for(act, seconds)


async def of_a_generator(seconds, act):
    async def parts():
        yield await asyncio.wait_for(act, seconds)

    async for _ in parts():
        pass


async def of_what_is_awaited(seconds, act):
    class Awaited:
        def __await__(self):
            return asyncio.wait_for(act, seconds).__await__()

    await Awaited()


async def of_its_own_task(seconds, act):
    await asyncio.create_task(asyncio.wait_for(act, seconds))


WAYS = [of_a_coroutine, of_a_generator, of_what_is_awaited, of_its_own_task]


@pytest.mark.parametrize("seconds", [SOON, 0])
@pytest.mark.parametrize("wait_for", WAYS)
def test_wait_for_is_such_a_timeout_however_it_is_waited_for(wait_for, seconds):
    said = []

    with pytest.raises(TimeoutError):
        asyncio.run(wait_for(seconds, judged(said)))

    # What has no time at all is cancelled before it begins.
    assert said == [Outcome.TIMEOUT] * (seconds > 0)


@pytest.mark.parametrize("wait_for", WAYS)
def test_a_task_that_somebody_cancels_within_a_wait_for_is_cancelled(wait_for):
    said = []

    async def act():
        task = asyncio.create_task(wait_for(60, judged(said)))
        for _ in range(4):
            # Turns of the loop: each task on the way takes its first step.
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(act())

    assert said == [Outcome.CANCELLED]


@pytest.mark.parametrize("inner", WAYS[:-1])
@pytest.mark.parametrize("outer", [within, *WAYS])
def test_a_wait_for_inside_of_what_runs_out_has_timed_out_too(outer, inner):
    said = []

    with pytest.raises(TimeoutError):
        asyncio.run(outer(0.01, inner(60, judged(said))))

    assert said == [Outcome.TIMEOUT]


def test_after_a_wait_for_that_ran_out_a_cancellation_is_one_again():
    said = []

    async def later(begun):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(judged([]), SOON)
        begun.set()
        await judged(said)

    async def act():
        begun = asyncio.Event()
        await cancelled(later(begun), begun)

    asyncio.run(act())

    assert said == [Outcome.CANCELLED]


def test_outside_of_any_task_nothing_has_timed_out():
    said = []

    async def aside():
        try:
            await asyncio.Event().wait()
        finally:
            said.append(await asyncio.to_thread(of_exception, asyncio.CancelledError()))

    times_out(SOON, aside())

    assert said == [Outcome.CANCELLED]


def test_nothing_is_kept_of_timeouts_that_are_gone():
    for _ in range(10):
        times_out(0, judged([]))
    gc.collect()

    assert not expired._running


def test_what_fails_of_ours_leaves_the_timeout_alone(hooked, monkeypatch):
    monkeypatch.setattr(asyncio_timeouts, "ran_out", lambda _: 1 / 0)

    times_out(SOON, judged([]))

    assert hooked.hooks.status_of("asyncio.timeouts") == "failed"


def test_a_python_whose_timeouts_are_made_in_another_way_is_refused(hooked):
    class Timeout:
        def __init__(self, when):
            self.when = when

        def _on_timeout(self): ...

    module = ModuleType("asyncio.timeouts")
    module.Timeout = Timeout

    with pytest.raises(UnsupportedError, match=r"asyncio\.Timeout has no _task and _state that becomes EXPIRING"):
        asyncio_timeouts.install(hooked, module, "asyncio.timeouts")
