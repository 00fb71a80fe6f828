"""A TCP relay on loopback that keeps every piece of data for a while: a slow network, with real bytes."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

_PIECE = 65_536


@asynccontextmanager
async def relay(host: str, port: int, *, delay_seconds: float) -> AsyncIterator[int]:
    """Forward connections to ``host:port``, each direction late by ``delay_seconds``; yields the port to call."""
    open_connections: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            open_connections.add(task)
            task.add_done_callback(open_connections.discard)
        with contextlib.closing(writer), contextlib.suppress(ConnectionError):
            far_reader, far_writer = await asyncio.open_connection(host, port)
            with contextlib.closing(far_writer):
                async with asyncio.TaskGroup() as both:
                    both.create_task(_forward(reader, far_writer, delay_seconds))
                    both.create_task(_forward(far_reader, writer, delay_seconds))

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in list(open_connections):
            task.cancel()
        await asyncio.gather(*open_connections, return_exceptions=True)


async def _forward(source: asyncio.StreamReader, target: asyncio.StreamWriter, delay_seconds: float) -> None:
    with contextlib.suppress(ConnectionError):
        while piece := await source.read(_PIECE):
            await asyncio.sleep(delay_seconds)
            target.write(piece)
            await target.drain()
        if target.can_write_eof():
            target.write_eof()
