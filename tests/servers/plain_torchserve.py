"""A handler of TorchServe as its users write it."""

from plain_iris import classify


def handle(data, context):
    """Species of flowers, one by one; nothing to do where TorchServe only loads it."""
    return [classify(request["body"]["row"]) for request in data or []]
