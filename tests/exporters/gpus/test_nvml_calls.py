"""The calls of one thread, as another thread looks at them."""

import threading

from inferometer_exporters.gpus.nvml_calls import Calls, Failures
from inferometer_exporters.gpus.nvml_library import Call

DEADLINE = 2.0


def test_a_call_that_hangs_is_counted_once_however_often_somebody_looks(shown, until):
    now, ends = [100.0], threading.Event()
    failures = Failures()
    calls = Calls("GPU-a", failures, monotonic=lambda: now[0])
    assert calls.patience(DEADLINE) == DEADLINE, "nothing runs"
    thread = threading.Thread(target=calls, args=(Call("nvmlDeviceGetPowerUsage", ends.wait),))
    thread.start()
    until(lambda: calls.running)
    now[0] = 101.5
    assert calls.patience(DEADLINE) == 0.5
    now[0] = 103.0
    assert [calls.patience(DEADLINE) for _ in range(3)] == [-1.0] * 3

    late = ("inferometer_source_call_errors_total", "nvml", "nvmlDeviceGetPowerUsage", "deadline")
    assert shown(failures.readings())[late] == 1
    ends.set()
    thread.join()
    assert calls.running is None
