"""APIs of LitServe: one by one, in batches, streaming, in batches that stream, asynchronous."""

import asyncio
import sys
import time

import litserve
from fastapi import HTTPException

import inferometer
import inferometer.auto


class Single(litserve.LitAPI):
    """One request at a time, 50 ms each."""

    def setup(self, device):
        """Nothing to load."""

    def decode_request(self, request):
        """Takes 10 ms."""
        time.sleep(0.01)
        return request["text"]

    def predict(self, text):
        """The model."""
        if text == "bug":
            raise ValueError(text)
        if text == "wrong":
            raise HTTPException(422, "wrong")
        inferometer.annotate(version="5")
        time.sleep(0.05)
        return len(text)

    def encode_response(self, size):
        """Takes 10 ms."""
        time.sleep(0.01)
        return {"size": size}


class Marked(Single):
    """What executes inside is marked."""

    def predict(self, text):
        """Twenty of forty milliseconds are the model's."""
        time.sleep(0.02)
        with inferometer.stage("execute"):
            time.sleep(0.02)
        return len(text)


class Batched(Single):
    """Four at a time."""

    def predict(self, texts):
        """The model."""
        if "bug" in texts:
            raise ValueError("bad batch")
        time.sleep(0.05)
        return [len(text) for text in texts]


class Stream(litserve.LitAPI):
    """Letter by letter."""

    def setup(self, device):
        """Nothing to load."""

    def decode_request(self, request):
        """A text."""
        return request["text"]

    def predict(self, text):
        """The model."""
        for letter in text:
            time.sleep(0.01)
            yield letter

    def encode_response(self, letters):
        """As they are."""
        yield from letters


class Tasks(litserve.LitAPI):
    """Several at once in one process."""

    def setup(self, device):
        """Nothing to load."""

    async def decode_request(self, request):
        """A text."""
        return request["text"]

    async def predict(self, text):
        """The model."""
        await asyncio.sleep(0.1)
        return len(text)

    async def encode_response(self, size):
        """JSON."""
        return {"size": size}


if __name__ == "__main__":
    apis = [
        Single(api_path="/single"),
        Marked(api_path="/marked"),
        Batched(api_path="/batched", max_batch_size=4, batch_timeout=0.1),
        Stream(api_path="/stream", stream=True),
        Tasks(api_path="/tasks", enable_async=True),
    ]
    litserve.LitServer(apis, accelerator="cpu", fast_queue="fast" in sys.argv).run(
        host="127.0.0.1", port=int(sys.argv[1]), generate_client_file=False
    )
