"""Each HTTP client in a hooked process, and whom it calls. Real clients, real sockets."""

import aiohttp
import aiohttp.client
import httpx
import pytest
import urllib3
import urllib3.connectionpool
from http_clients import CLIENTS
from scripted_origin import Origin

from inferometer.hooks import aiohttp as aiohttp_hook
from inferometer.hooks import httpx as httpx_hook
from inferometer.hooks import urllib3 as urllib3_hook


@pytest.fixture(params=CLIENTS, ids=[client.__doc__.rstrip(".") for client in CLIENTS])
def client(request):
    return request.param


@pytest.fixture
def worker(hooked):
    httpx_hook.install(hooked, httpx, "httpx")
    urllib3_hook.install(hooked, urllib3.connectionpool, "urllib3")
    aiohttp_hook.install(hooked, aiohttp.client, "aiohttp")
    return hooked


@pytest.fixture
def origin():
    made = Origin()
    yield made
    made.close()


@pytest.fixture(scope="module")
def callee(serve):
    """An instrumented service: some 30 ms of its own."""
    return serve("-m", "uvicorn", "app_servers:app", "--port", "{port}", "--log-level", "critical")
