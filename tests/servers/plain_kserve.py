"""A model of KServe as its users write it."""

import sys

import kserve
from kserve.protocol.rest.multiprocess.server import RESTServerProcess
from plain_iris import classify


class Iris(kserve.Model):
    """The model."""

    def __init__(self):
        super().__init__("iris")
        self.ready = True

    def predict(self, payload, headers=None, response_headers=None):  # noqa: ARG002 - KServe's
        """Species of flowers."""
        return {"predictions": [classify(row) for row in payload["instances"]]}


if __name__ == "__main__":
    # A process that has not answered its parent after five seconds is ended; machines of tests are slower than that.
    RESTServerProcess.is_alive.__defaults__ = (60,)
    kserve.ModelServer(http_port=int(sys.argv[1]), enable_grpc=False, workers=1).start([Iris()])
