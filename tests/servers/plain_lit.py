"""An API of LitServe as its users write it."""

import sys

import litserve
from plain_iris import classify


class Iris(litserve.LitAPI):
    """The model."""

    def setup(self, device):
        """Nothing to load."""

    def decode_request(self, request):
        """The features of a flower."""
        return request["row"]

    def predict(self, row):
        """The species of a flower."""
        return classify(row)

    def encode_response(self, species):
        """JSON."""
        return {"species": species}


if __name__ == "__main__":
    litserve.LitServer(Iris(), accelerator="cpu").run(
        host="127.0.0.1", port=int(sys.argv[1]), generate_client_file=False
    )
