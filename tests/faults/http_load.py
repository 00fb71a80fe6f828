"""An open-loop load over HTTP: requests begin when they are due, whatever became of those before.

It runs in a process of its own, so that what else a trial does takes no time from it.
"""

import argparse
import asyncio
import json
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, field


@dataclass(slots=True)
class Load:
    """What became of the requests of a stretch."""

    seconds: list[float] = field(default_factory=list)
    """From the moment a request was due to the end of its answer."""
    failed: int = 0


def stretch(port: int, rate: float, seconds: float) -> Load:
    """Send *rate* requests a second for so many *seconds*."""
    command = [sys.executable, __file__, str(port), str(rate), str(seconds)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=seconds + 120)
    return Load(**json.loads(done.stdout))


class _Connection(asyncio.Protocol):
    def __init__(self) -> None:
        self.answer: asyncio.Future[bool] | None = None
        self.transport: asyncio.Transport | None = None
        self._data = b""

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self._data += data
        head, end, body = self._data.partition(b"\r\n\r\n")
        if end and len(body) >= int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0]):
            self._data = b""
            self.answer.set_result(head.startswith(b"HTTP/1.1 200"))

    def connection_lost(self, _):
        if self.answer is not None and not self.answer.done():
            self.answer.set_result(False)


async def _load(port: int, rate: float, seconds: float, *, connections: int = 64, patience: float = 30.0) -> Load:
    loop = asyncio.get_running_loop()
    free: asyncio.Queue[_Connection] = asyncio.Queue()
    for _ in range(connections):
        _, protocol = await loop.create_connection(_Connection, "127.0.0.1", port)
        free.put_nowait(protocol)
    load, begin = Load(), time.perf_counter()

    async def request(number: int, due: float) -> None:
        connection = await free.get()
        connection.answer = loop.create_future()
        connection.transport.write(b"GET /predict/%d HTTP/1.1\r\nHost: x\r\n\r\n" % number)
        try:
            good = await asyncio.wait_for(connection.answer, patience)
        except TimeoutError:
            good = False
        load.failed += not good
        load.seconds.append(time.perf_counter() - due)
        free.put_nowait(connection)

    tasks = []
    for number in range(int(rate * seconds)):
        due = begin + number / rate
        if (wait := due - time.perf_counter()) > 0:
            await asyncio.sleep(wait)
        tasks.append(asyncio.create_task(request(number, due)))
    await asyncio.gather(*tasks)
    while not free.empty():
        free.get_nowait().transport.close()
    return load


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("rate", type=float, help="requests a second")
    parser.add_argument("seconds", type=float)
    args = parser.parse_args()
    json.dump(asdict(asyncio.run(_load(args.port, args.rate, args.seconds))), sys.stdout)


if __name__ == "__main__":
    main()
