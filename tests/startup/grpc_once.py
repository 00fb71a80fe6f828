"""A user's gRPC server that is asked once, half a second after it is ready."""

import time
from concurrent.futures import ThreadPoolExecutor

import grpc


def answer(request: bytes, _: grpc.ServicerContext) -> bytes:
    """The same."""
    return request


server = grpc.server(ThreadPoolExecutor(2))
handler = grpc.method_handlers_generic_handler("shop.Model", {"Echo": grpc.unary_unary_rpc_method_handler(answer)})
server.add_generic_rpc_handlers((handler,))
port = server.add_insecure_port("127.0.0.1:0")
server.start()
time.sleep(0.5)
with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
    channel.unary_unary("/shop.Model/Echo")(b"x")
time.sleep(0.3)
server.stop(0).wait()
