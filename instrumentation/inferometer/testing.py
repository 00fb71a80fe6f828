"""For tests: records of what an application does, to assert on.

In the process of the test, with whatever client the application's framework has for tests::

    with inferometer.testing.recorded() as requests:
        client.post("/predict", json={"text": "hello"})
        (record,) = requests.wait(1)
    assert record.labels.model == "minilm"

Of a server in a process of its own::

    with Collector(tmp_path / "intake.sock") as requests:
        ...  # start it with INFEROMETER_SIDECAR=requests.address, and ask it
        (record,) = requests.wait(1)
"""

import contextlib
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from inferometer import switch
from inferometer.record.model import RequestRecord
from inferometer.recorder.destination import Destination
from inferometer.recorder.this_process import worker
from inferometer.wire import message
from inferometer.wire.frame import Frame, Names, decode
from inferometer.wire.message import Hello, Reader, Type
from inferometer.wire.records import records

_CHUNK: Final = 1 << 20
_FLUSH_SECONDS: Final = 0.02


@contextlib.contextmanager
def recorded() -> "Iterator[Collector]":
    """Record what this process does, for as long as the block lasts; nothing of it goes anywhere else.

    The application need not have the line ``import inferometer.auto``, and may be made before or inside the block.
    Hooks stay installed after it; where nobody had switched recording on, nothing is recorded then.

    Yields:
        Whom to ask for the records: `Collector.wait` returns them when they are there.
    """
    here = worker()
    # What was recorded before goes to where it belongs.
    here.close()
    settings, destination = here.settings, here._destination  # noqa: SLF001 - nobody else sends a worker elsewhere
    if not here.hooks.statuses():
        settings = replace(settings, enabled=False)
    with tempfile.TemporaryDirectory() as folder, Collector(Path(folder) / "intake.sock") as collector:
        here.settings = replace(settings, enabled=True, sidecar=collector.address, flush_seconds=_FLUSH_SECONDS)
        here._destination = Destination(here.settings, None)  # noqa: SLF001 - as above
        switch.on()
        here.start(ready=False)
        try:
            yield collector
        finally:
            here.close()
            here.settings, here._destination = settings, destination  # noqa: SLF001 - as above


class Collector:
    """Listens on a Unix socket, acknowledges every frame once, and keeps all of it in memory.

    Args:
        path: Of the socket, which must not be there yet; at most 107 bytes, as the system has it.

    Raises:
        OSError: The socket cannot be made there.
    """

    def __init__(self, path: Path) -> None:
        self.address = f"unix://{path}"
        """Value for INFEROMETER_SIDECAR."""
        self.hellos: list[Hello] = []
        self.frames: list[Frame] = []
        """Frames, each once, in the order of their arrival."""
        self.records: list[RequestRecord] = []
        """Finished requests of all frames."""
        self.acknowledging = True
        """Set it False to keep frames without acknowledging them."""
        self._names: dict[bytes, Names] = {}
        self._seen: dict[bytes, int] = {}
        self._changed = threading.Condition()
        self._connections: set[socket.socket] = set()
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(path))
        self._listener.listen()
        threading.Thread(target=self._accept, name="collector", daemon=True).start()

    def __enter__(self) -> Self:
        """Listening already."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop listening and drop every connection."""
        self.close()

    def close(self) -> None:
        """Stop listening and drop every connection."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.drop_connections()

    def drop_connections(self) -> None:
        """Cut every connection; workers come back and resend."""
        with self._changed:
            connections = list(self._connections)
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def wait(self, count: int, seconds: float = 10.0) -> list[RequestRecord]:
        """At least *count* records, in the order in which they came.

        Raises:
            TimeoutError: They did not come within *seconds*.
        """
        self.until(lambda: len(self.records) >= count, seconds)
        return list(self.records)

    def until(self, condition: Callable[[], bool], seconds: float = 10.0) -> None:
        """Wait until *condition* holds; it is looked at after each frame.

        Raises:
            TimeoutError: it did not within *seconds*.
        """
        with self._changed:
            if not self._changed.wait_for(condition, seconds):
                raise TimeoutError(f"not within {seconds:g} s; {len(self.frames)} frames, {len(self.records)} records")

    def names_of(self, worker_id: bytes) -> Names:
        """All names that a worker gave out."""
        return self._names.setdefault(worker_id, Names())

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with self._changed:
                self._connections.add(connection)
            threading.Thread(target=self._serve, args=(connection,), name="collected", daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        reader = Reader()
        with connection, contextlib.suppress(OSError):
            while data := connection.recv(_CHUNK):
                for kind, payload in reader.feed(data):
                    self._take(connection, kind, payload)
        with self._changed:
            self._connections.discard(connection)

    def _take(self, connection: socket.socket, kind: int, payload: bytes) -> None:
        if kind == Type.HELLO:
            hello = Hello.from_bytes(payload)
            with self._changed:
                self.hellos.append(hello)
                self.names_of(hello.worker_id).update(hello.names)
                self._changed.notify_all()
            return
        frame = decode(payload)
        with self._changed:
            if not self.acknowledging:
                return
            if frame.sequence > self._seen.get(frame.worker_id, 0):
                self._seen[frame.worker_id] = frame.sequence
                names = self.names_of(frame.worker_id)
                names.update(frame.names)
                self.frames.append(frame)
                self.records.extend(records(frame, names))
            self._changed.notify_all()
        connection.sendall(message.ack(frame.sequence))
