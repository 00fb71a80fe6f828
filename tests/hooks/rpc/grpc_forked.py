"""A parent that imports everything and forks; its child serves a call by gRPC and asks itself."""

import os
from concurrent.futures import ThreadPoolExecutor

import inferometer
import inferometer.auto

import grpc  # isort: skip  # after the one line, as well as before it

child = os.fork()
if child:
    _, status = os.waitpid(child, 0)
    raise SystemExit(os.waitstatus_to_exitcode(status))

server = grpc.server(ThreadPoolExecutor(2))
methods = {"Say": grpc.unary_unary_rpc_method_handler(lambda request, _: request)}
server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Echo", methods),))
port = server.add_insecure_port("127.0.0.1:0")
server.start()
with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
    for _ in range(3):
        channel.unary_unary("/test.Echo/Say")(b"x", timeout=20)
server.stop(0).wait()
inferometer.flush()
