"""A WSGI application that is served once, recorded."""

import pytest
from wsgi_server import Server, bound


@pytest.fixture
def record(bench):
    """Serve an application once, and give its record."""

    def act(app, environ=None, **how):
        server = Server()
        try:
            server.serve(bound(bench, app), environ, **how)
        finally:
            act.server = server
        return bench.records()[0]

    return act
