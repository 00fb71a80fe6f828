"""The wall clock is set while requests run: no time of theirs is wrong, and the next frame has the new one."""

import asyncio
import time

import pytest

from inferometer.recorder.asgi import recording

HOUR = 3600 * 10**9


@pytest.mark.parametrize("step_ns", [-HOUR, HOUR], ids=["an hour back", "an hour ahead"])
def test_a_step_of_the_wall_clock_changes_no_duration(bench, monkeypatch, step_ns):
    real = time.time_ns
    before = bench.frame()

    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await asyncio.sleep(0.01)
        # NTP or an administrator sets the clock, in the middle of an answer.
        monkeypatch.setattr(time, "time_ns", lambda: real() + step_ns)
        monkeypatch.setattr(time, "time", lambda: (real() + step_ns) / 1e9)
        await asyncio.sleep(0.01)
        await send({"type": "http.response.body", "body": b""})

    async def nothing(_=None):
        return {"type": "http.request"}

    scope = {"type": "http", "method": "GET", "path": "/", "headers": []}
    asyncio.run(recording(bench.worker, lambda _, *asgi: app(*asgi))(None, scope, nothing, nothing))
    (record,) = bench.records()
    after = bench.frame()

    assert 20_000_000 <= record.duration_ns < 5 * 10**9
    assert after.monotonic_ns > before.monotonic_ns
    stepped = (after.wall_ns - after.monotonic_ns) - (before.wall_ns - before.monotonic_ns)
    assert abs(stepped - step_ns) < 10**9
    assert bench.worker.hooks.errors() == {}
