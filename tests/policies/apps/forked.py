"""Two forked workers of an application that was imported before the fork, its provider included."""

import os
import signal
import socket
import sys

import uvicorn
import wired

port = int(sys.argv[sys.argv.index("--port") + 1])
listener = socket.create_server(("127.0.0.1", port))
children = []
for _ in range(2):
    child = os.fork()
    if not child:
        uvicorn.Server(uvicorn.Config(wired.app, log_level="warning")).run(sockets=[listener])
        sys.exit()
    children.append(child)


def stop(*_: object) -> None:
    """End both."""
    for child in children:
        os.kill(child, signal.SIGTERM)


signal.signal(signal.SIGTERM, stop)
for child in children:
    os.waitpid(child, 0)
