"""Every HTTP client that has hooks, with one way to use it."""

import asyncio
import time
from contextlib import asynccontextmanager

import aiohttp
import httpx
import requests
import urllib3
from requests.adapters import HTTPAdapter


class Async:
    """httpx, asynchronous."""

    hook = "httpx"
    timeouts = (httpx.TimeoutException,)
    refused = httpx.ConnectError

    def __init__(self, limit):
        self.client = httpx.AsyncClient(limits=httpx.Limits(max_connections=limit), follow_redirects=True)

    async def get(self, url, headers=None, seconds=5.0):
        answer = await self.client.get(url, headers=headers, timeout=seconds)
        return answer.status_code, answer.content

    async def read(self, url, seconds):
        async with self.client.stream("GET", url) as answer:
            async for _ in answer.aiter_raw():
                await asyncio.sleep(seconds)

    async def send(self, url, parts):
        async def body():
            for part in parts:
                yield part

        return (await self.client.post(url, content=body())).content

    async def close(self):
        await self.client.aclose()


class InThread:
    """A synchronous client, in a thread."""

    async def get(self, url, headers=None, seconds=5.0):
        return await asyncio.to_thread(self._get, url, headers, seconds)

    async def read(self, url, seconds):
        await asyncio.to_thread(self._read, url, seconds)

    async def send(self, url, parts):
        return await asyncio.to_thread(self._send, url, parts)

    async def close(self):
        self.client.close()


class Sync(InThread):
    """httpx, synchronous."""

    hook = "httpx"
    timeouts = (httpx.TimeoutException,)
    refused = httpx.ConnectError

    def __init__(self, limit):
        self.client = httpx.Client(limits=httpx.Limits(max_connections=limit), follow_redirects=True)

    def _get(self, url, headers, seconds):
        answer = self.client.get(url, headers=headers, timeout=seconds)
        return answer.status_code, answer.content

    def _read(self, url, seconds):
        with self.client.stream("GET", url) as answer:
            for _ in answer.iter_raw():
                time.sleep(seconds)

    def _send(self, url, parts):
        return self.client.post(url, content=iter(parts)).content


class Requests(InThread):
    """requests, through urllib3."""

    hook = "urllib3"
    timeouts = (requests.Timeout,)
    refused = requests.ConnectionError

    def __init__(self, limit):
        self.client = requests.Session()
        self.client.mount("http://", HTTPAdapter(pool_maxsize=limit, pool_block=True))

    def _get(self, url, headers, seconds):
        answer = self.client.get(url, headers=headers, timeout=seconds)
        return answer.status_code, answer.content

    def _read(self, url, seconds):
        with self.client.get(url, stream=True) as answer:
            for _ in answer.iter_content(None):
                time.sleep(seconds)

    def _send(self, url, parts):
        return self.client.post(url, data=iter(parts)).content


class Urllib3(InThread):
    """urllib3 itself."""

    hook = "urllib3"
    timeouts = (urllib3.exceptions.HTTPError,)
    refused = urllib3.exceptions.HTTPError

    def __init__(self, limit):
        self.client = urllib3.PoolManager(maxsize=limit, block=True, retries=urllib3.Retry(3, connect=0, read=0))

    def _get(self, url, headers, seconds):
        answer = self.client.request("GET", url, headers=headers, timeout=urllib3.Timeout(seconds))
        return answer.status, answer.data

    def _read(self, url, seconds):
        with self.client.request("GET", url, preload_content=False) as answer:
            for _ in answer.stream(None):
                time.sleep(seconds)

    def _send(self, url, parts):
        return self.client.request("POST", url, body=iter(parts), chunked=True).data

    async def close(self):
        self.client.clear()


class Aiohttp:
    """aiohttp."""

    hook = "aiohttp"
    timeouts = (TimeoutError,)
    refused = aiohttp.ClientConnectionError

    def __init__(self, limit):
        self.client = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=limit))

    async def get(self, url, headers=None, seconds=5.0):
        async with self.client.get(url, headers=headers, timeout=aiohttp.ClientTimeout(total=seconds)) as answer:
            return answer.status, await answer.read()

    async def read(self, url, seconds):
        async with self.client.get(url) as answer:
            async for _ in answer.content.iter_any():
                await asyncio.sleep(seconds)

    async def send(self, url, parts):
        async def body():
            for part in parts:
                yield part

        async with self.client.post(url, data=body()) as answer:
            return await answer.read()

    async def close(self):
        await self.client.close()


CLIENTS = [Async, Sync, Requests, Urllib3, Aiohttp]


@asynccontextmanager
async def opened(client, limit=10):
    made = client(limit)
    try:
        yield made
    finally:
        await made.close()
