"""A worker that takes messages from a queue: each is a request, its wait in the queue included.

Start it with ``inferometer run -- python examples/consumer.py``, then see ``inferometer trace --slowest 2``.
"""

import queue
import time

import inferometer

messages: queue.Queue[tuple[str, float, dict[str, str]]] = queue.Queue()


def work() -> None:
    """Take what is there."""
    while not messages.empty():
        text, queued_at, headers = messages.get()
        with inferometer.request("count-words", headers=headers, model="counter", queued_at=queued_at):
            with inferometer.stage("preprocess"):
                words = text.split()
            with inferometer.stage("execute"):
                print(len(words))  # noqa: T201 - the model's answer


if __name__ == "__main__":
    for line in ("a message", "another message of a tenant"):
        messages.put((line, time.time(), {"x-tenant": "acme"}))
    work()
