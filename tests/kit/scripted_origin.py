"""A server that answers by a script, and a slow line to a server."""

import http.server
import queue
import socket
import threading
import time
from contextlib import contextmanager, suppress


class Origin:
    """A server that answers by a script, one function per request, and keeps what it was asked."""

    def __init__(self):
        self.script = queue.Queue()
        self.asked = []
        self.lines = []
        self.came = threading.Event()
        origin = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_one(self):
                origin.asked.append(dict(self.headers.items()))
                origin.lines.append(self.headers)
                origin.came.set()
                origin.script.get(timeout=5)(self)

            do_GET = do_POST = handle_one  # noqa: N815 - as http.server names them

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/"

    def wait(self):
        """Until somebody asks."""
        assert self.came.wait(5)

    def answers(self, *functions):
        for function in functions:
            self.script.put(function)
        return self.url

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


def says(status=200, body=b"x", seconds=0.0, **headers):
    def answer(handler):
        time.sleep(seconds)
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("content-length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def carry(source, target, seconds):
    with suppress(OSError):
        while data := source.recv(65536):
            time.sleep(seconds)
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


@contextmanager
def delayed(port, seconds):
    """The port of a line to *port* that takes *seconds* in each direction."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        with suppress(OSError):
            while True:
                near, _ = listener.accept()
                far = socket.create_connection(("127.0.0.1", port))
                ends.extend((near, far))
                for pair in ((near, far), (far, near)):
                    threads.append(threading.Thread(target=carry, args=(*pair, seconds), daemon=True))
                    threads[-1].start()

    ends, threads = [], [threading.Thread(target=serve, daemon=True)]
    threads[0].start()
    yield listener.getsockname()[1]
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    for end in ends:
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
    for thread in threads:
        thread.join(5)
    for end in ends:
        end.close()
