"""A model server by gRPC.

``python examples/grpc_server.py`` prints its address; then, for instance from Python::

    grpc.insecure_channel(address).unary_unary("/models.Words/Count")(b"how many words are these")
"""

import sys
from concurrent.futures import ThreadPoolExecutor

import grpc

import inferometer
import inferometer.auto  # that is all; the marks below add what only the application knows


def count(request: bytes, _: grpc.ServicerContext) -> bytes:
    """The model: it counts words."""
    inferometer.annotate(model="counter")
    with inferometer.stage("execute"):
        return str(len(request.split())).encode()


server = grpc.server(ThreadPoolExecutor(8))
methods = {"Count": grpc.unary_unary_rpc_method_handler(count)}
server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("models.Words", methods),))
sys.stdout.write(f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}\n")
sys.stdout.flush()
server.start()
server.wait_for_termination()
