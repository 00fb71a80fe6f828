"""Writes passes into a recorder until it is killed; each line of standard output acknowledges one."""

import sys
from pathlib import Path

import numpy as np

from inferometer_exporters.recorder.store import Recorder

ROWS = 200
TEXT = "x" * 400


def main() -> None:
    """Go on behind the newest pass of the file that the first argument names."""
    recorder = Recorder(Path(sys.argv[1]))
    # Checkpoints at every few passes, so that a kill meets them, too.
    recorder.cursor().execute("set checkpoint_threshold = '256KB'").fetchall()
    number = recorder.rollback(None)
    while True:
        number += 1
        name = recorder.names.number((f"name of pass {number}",))
        spans = np.arange(ROWS, dtype=np.uint64) + np.uint64(number * ROWS)
        recorder.write(
            number,
            {
                "external_ids": {
                    "span_id": spans,
                    "told_ns": np.full(ROWS, name),
                    "text": np.array([f"{TEXT}{span}" for span in spans.tolist()], object),
                },
                "kept": {
                    "trace_hi": np.zeros(ROWS, np.uint64),
                    "trace_lo": spans,
                    "reason": np.array(["slow"] * ROWS, object),
                    "wall_ns": np.full(ROWS, number),
                },
            },
        )
        sys.stdout.write(f"{number}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
