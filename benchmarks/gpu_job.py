"""A fixed torch job on a GPU that knows how long it kept the device busy; `gpu_sidecar.py` starts it.

    python benchmarks/gpu_job.py SECONDS

Prints ``warm`` and the device's name when it is, waits for a line on standard input, works for SECONDS, one request
after the other, and prints one JSON object: ``runs`` and ``busy_seconds``, found by a synchronised clock around each
run. Its records go where INFEROMETER_SIDECAR says. Exits 2 where torch has no CUDA device.
"""

import json
import sys
import time

NOT_RUN = 2
SIZE = 2048
LAYERS = 256
"""Some 10 ms of an H100: long beside the 20 us of launch and waking up that are in the truth, too."""


def main() -> int:
    """Work; the exit code says what became of it."""
    try:
        import torch
    except ImportError:
        print("torch is not installed")
        return NOT_RUN
    if not torch.cuda.is_available():
        print("torch has no CUDA device")
        return NOT_RUN
    import inferometer.auto

    seconds = float(sys.argv[1])
    layers = [torch.nn.Linear(SIZE, SIZE, bias=False) for _ in range(LAYERS)]
    net = torch.nn.Sequential(*layers).half().eval().to("cuda")
    batch = torch.ones(SIZE, SIZE, device="cuda", dtype=torch.half)
    with torch.inference_mode():
        for _ in range(5):
            net(batch)
        torch.cuda.synchronize()
        print(f"warm {torch.cuda.get_device_name()}", flush=True)
        sys.stdin.readline()
        runs, busy = 0, 0
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            with inferometer.request("job"):
                began = time.monotonic_ns()
                net(batch)
                torch.cuda.synchronize()
                busy += time.monotonic_ns() - began
            runs += 1
    inferometer.flush()
    print(json.dumps({"runs": runs, "busy_seconds": busy / 1e9}), flush=True)
    # Until the sidecar has settled what it was told: a worker that is gone is no witness of idle time.
    sys.stdin.readline()
    return 0


if __name__ == "__main__":
    sys.exit(main())
