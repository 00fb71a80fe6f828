"""What hooks replace is found by name: pickled applications (Ray Serve) refer to it and carry nothing of ours."""

import subprocess
import sys

CODE = """
import fastapi.routing, fastapi.applications, starlette.applications, starlette.routing
import inferometer.auto
import pickle
for module, name in [
    (fastapi.routing, "solve_dependencies"),
    (fastapi.routing, "run_endpoint_function"),
    (fastapi.routing, "serialize_response"),
    (fastapi.routing, "run_in_threadpool"),
    (starlette.routing, "run_in_threadpool"),
    (fastapi.FastAPI, "__call__"),
    (starlette.applications.Starlette, "__call__"),
]:
    replaced = getattr(module, name)
    assert replaced.__wrapped__, name
    assert pickle.loads(pickle.dumps(replaced)) is replaced, name
"""


def test_replaced_functions_are_pickled_by_name():
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
