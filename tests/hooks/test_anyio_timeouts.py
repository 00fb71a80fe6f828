"""What anyio's ``fail_after`` and ``move_on_after`` stop has timed out; what a scope of anyio cancels was cancelled."""

import asyncio

import anyio
import pytest

from inferometer.catalog.stages import Outcome
from inferometer.recorder.outcome import of_exception

SOON = 0.01
"""Seconds; nothing here ends by itself."""


async def judged(said):
    try:
        await anyio.sleep_forever()
    except BaseException as error:
        said.append(of_exception(error))
        raise


async def fails(said):
    with anyio.fail_after(SOON):
        await judged(said)


async def moves_on(said):
    with anyio.move_on_after(SOON):
        await judged(said)
    raise TimeoutError


async def waits_for_its_children(said):
    with anyio.fail_after(SOON):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(judged, said)


@pytest.mark.parametrize("stops", [fails, moves_on, waits_for_its_children])
@pytest.mark.parametrize("loop", [{}, {"use_uvloop": True}], ids=["asyncio", "uvloop"])
def test_what_a_deadline_stops_has_timed_out(stops, loop):
    said = []

    with pytest.raises(TimeoutError):
        anyio.run(stops, said, backend_options=loop)

    assert said == [Outcome.TIMEOUT]


@pytest.mark.parametrize("said", [(), (None,), (7, "x"), (object(), b"reason: deadline exceeded")])
def test_whatever_a_cancellation_says_it_is_one(said):
    class Hostile(asyncio.CancelledError):
        def __str__(self):
            raise RuntimeError("theirs")

    assert of_exception(Hostile(*said)) is Outcome.CANCELLED


@pytest.mark.parametrize("within", [anyio.CancelScope, lambda: anyio.fail_after(60)], ids=["a scope", "a deadline"])
def test_what_the_application_cancels_itself_was_cancelled(within):
    said = []

    async def act():
        async with anyio.create_task_group() as tasks:
            with within() as scope:
                tasks.start_soon(cancel, scope)
                await judged(said)

    async def cancel(scope):
        scope.cancel()

    anyio.run(act)

    assert said == [Outcome.CANCELLED]
