"""Hooks that a test put in, and that are to be gone after it."""

from inferometer.recorder.worker import Worker


def take_out(worker: Worker) -> None:
    """Undo what the worker's hooks changed, the last change first."""
    for steps in list(worker.hooks._undo.values()):
        for step in reversed(steps):
            step()
    worker.hooks._undo.clear()
