"""A WSGI server that does what a test tells it, and applications for it."""

import io

from inferometer.recorder import wsgi
from inferometer.recorder.request import current

OURS = {"HTTP_TRACEPARENT": f"00-{'ab' * 16}-{'cd' * 8}-01", "HTTP_TRACESTATE": "inferometer=1"}


class Server:
    """A server that does what it is told, and keeps what it got."""

    def __init__(self):
        self.heads = []
        self.parts = []

    def start_response(self, status, headers, exc_info=None):
        if self.heads and exc_info is None:
            raise AssertionError("twice")
        self.heads.append((status, list(headers)))
        return self.parts.append

    def serve(self, app, environ=None, *, most=None, close=True):
        returned = app(made(**(environ or {})), self.start_response)
        for part in returned:
            assert self.heads, "a part before the head"
            self.parts.append(part)
            if most is not None and len(self.parts) >= most:
                break
        if close and hasattr(returned, "close"):
            returned.close()
        return self


def made(**more):
    return {"REQUEST_METHOD": "GET", "PATH_INFO": "/", "SCRIPT_NAME": "", "wsgi.input": io.BytesIO(), **more}


def bound(bench, app):
    recorded = wsgi.recording(bench.worker, lambda _, environ, start_response: app(environ, start_response))
    return lambda environ, start_response: recorded(None, environ, start_response)


def answering(*parts, headers=(), status="200 OK"):
    def app(environ, start_response):
        start_response(status, list(headers))
        return list(parts)

    return app


class Answer:
    """An iterable that says when it was closed."""

    def __init__(self, parts, closed):
        self.parts = parts
        self.close = lambda: closed.append(current() is not None)

    def __iter__(self):
        return iter(self.parts)
