"""Models of KServe."""

import asyncio
import sys
import time

import kserve
from kserve.errors import InferenceError
from kserve.protocol.rest.multiprocess.server import RESTServerProcess

import inferometer
import inferometer.auto


class Lengths(kserve.Model):
    """Lengths of texts: 10 ms before, 50 ms, 10 ms after."""

    def __init__(self, name):
        super().__init__(name)
        self.ready = True

    def preprocess(self, payload, headers=None):  # noqa: ARG002 - KServe's
        """Synchronous."""
        time.sleep(0.01)
        return payload

    async def predict(self, payload, headers=None, response_headers=None):  # noqa: ARG002 - KServe's
        """Version 1 gets a dictionary, version 2 an InferRequest."""
        second = isinstance(payload, kserve.InferRequest)
        texts = [str(text) for text in (payload.inputs[0].data if second else payload["instances"])]
        inferometer.annotate(version="9")
        if "bug" in texts:
            raise ValueError("theirs")
        if "wrong" in texts:
            raise InferenceError("wrong")
        await asyncio.sleep(1 if "wait" in texts else 0.05)
        sizes = [len(text) for text in texts]
        if not second:
            return {"predictions": sizes}
        output = kserve.InferOutput(name="size", shape=[len(sizes)], datatype="INT64", data=sizes)
        return kserve.InferResponse(response_id=payload.id or "1", model_name=self.name, infer_outputs=[output])

    async def postprocess(self, result, headers=None, response_headers=None):  # noqa: ARG002 - KServe's
        """Asynchronous."""
        await asyncio.sleep(0.01)
        return result


class Marked(kserve.Model):
    """Half of what it does is marked; the rest is KServe's own."""

    def __init__(self, name):
        super().__init__(name)
        self.ready = True

    def predict(self, payload, headers=None, response_headers=None):  # noqa: ARG002 - KServe's
        """The model."""
        time.sleep(0.02)
        with inferometer.stage("execute"):
            time.sleep(0.02)
        return {"predictions": [1]}


if __name__ == "__main__":
    # A process that has not answered its parent after five seconds is ended; machines of tests are slower than that.
    RESTServerProcess.is_alive.__defaults__ = (60,)
    by_grpc = int(sys.argv[3]) if len(sys.argv) > 3 else 0
    kserve.ModelServer(
        http_port=int(sys.argv[1]), enable_grpc=bool(by_grpc), grpc_port=by_grpc, workers=int(sys.argv[2])
    ).start([Lengths("lengths"), Marked("marked")])
