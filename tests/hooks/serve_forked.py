"""A launcher that imports the application and forks afterwards: each child serves the same socket."""

import argparse
import os
import signal
import socket
import sys

import app_workers
import uvicorn


def main() -> None:
    """Fork, serve, and end the children with the parent."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int)
    parser.add_argument("--workers", type=int)
    arguments = parser.parse_args()
    sock = socket.create_server(("127.0.0.1", arguments.port))
    children = []
    for _ in range(arguments.workers):
        child = os.fork()
        if not child:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            uvicorn.Server(uvicorn.Config(app_workers.app, log_level="warning")).run(sockets=[sock])
            sys.exit(0)
        children.append(child)

    def end(*_: object) -> None:
        for child in children:
            os.kill(child, signal.SIGTERM)

    signal.signal(signal.SIGTERM, end)
    for child in children:
        os.waitpid(child, 0)


main()
