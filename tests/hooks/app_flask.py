"""A Flask application with an endpoint for everything that a test asks for. LAST: the one line stands after it."""

import os
import time
from pathlib import Path

if not os.environ.get("LAST"):
    import inferometer.auto
from flask import Blueprint, Flask, Response, abort, jsonify, request, send_file, stream_with_context
from werkzeug.middleware.dispatcher import DispatcherMiddleware

app = Flask(__name__)

import inferometer  # noqa: E402 - after what must be set before
import inferometer.auto  # noqa: E402 - after what must be set before


@app.post("/predict/<name>")
def predict(name: str) -> Response:
    """Decodes, works, encodes."""
    numbers = request.get_json()["numbers"]
    inferometer.annotate(model=name)
    with inferometer.stage("execute"):
        time.sleep(0.03)
    return jsonify(numbers=numbers, total=sum(numbers))


@app.post("/form")
def form() -> dict[str, int]:
    """Parses a form, answers a dictionary."""
    return {"length": len(request.form["text"])}


@app.post("/upload")
def upload() -> str:
    """Reads a body that is none of the known kinds."""
    return str(len(request.get_data()))


@app.get("/stream")
def stream() -> Response:
    """Five parts, the first of them late."""

    def parts():
        with inferometer.stage("preprocess"):
            time.sleep(0.05)
        for _ in range(5):
            yield b"x" * 10
            time.sleep(0.01)

    return Response(stream_with_context(parts()))


@app.get("/chat")
def chat() -> Response:
    """A role, three tokens, the end."""

    def parts():
        yield 'data: {"choices":[{"delta":{"role":"assistant","content":""}}]}\n\n'
        for word in ("a", "b", "c"):
            time.sleep(0.02)
            yield f'data: {{"choices":[{{"delta":{{"content":"{word}"}}}}]}}\n\n'
        yield "data: [DONE]\n\n"

    return Response(parts(), mimetype="text/event-stream")


@app.get("/endless")
def endless() -> Response:
    """Parts until the client leaves."""

    def parts():
        while True:
            time.sleep(0.005)
            yield b"x" * 1000

    return Response(parts())


@app.get("/large")
def large() -> Response:
    """Large parts."""
    return Response(b"x" * 1_000_000 for _ in range(8))


@app.get("/broken")
def broken() -> Response:
    """Raises in the middle of its answer."""

    def parts():
        yield b"x"
        raise RuntimeError("theirs")

    return Response(parts())


@app.get("/bug")
def bug() -> None:
    """Raises."""
    raise RuntimeError("theirs")


@app.get("/timeout")
def timeout() -> None:
    """Gives up."""
    raise TimeoutError


@app.get("/busy")
def busy() -> None:
    """Wants no request now."""
    abort(Response("busy", 503, {"Retry-After": "1"}))


@app.get("/later")
def later() -> Response:
    """Works on when the answer is given."""
    response = Response("now")
    response.call_on_close(lambda: time.sleep(0.5))
    return response


@app.get("/file")
def file() -> Response:
    """This file."""
    return send_file(__file__)


@app.get("/nothing")
def nothing() -> tuple[str, int]:
    """No body."""
    return "", 204


included = Blueprint("included", __name__, url_prefix="/v1")


@included.get("/items/<int:item>")
def one(item: int) -> str:
    """Of a blueprint."""
    return str(item)


app.register_blueprint(included)


@app.get("/sleep/<float:seconds>")
def sleep(seconds: float) -> str:
    """Keeps its worker busy."""
    time.sleep(seconds)
    return ""


@app.get("/hold")
def hold() -> str:
    """Keeps its worker busy: makes one file when it is there, and stays until there is another, or ten seconds."""
    Path(request.args["inside"]).touch()
    deadline = time.monotonic() + 10
    while not Path(request.args["until"]).exists() and time.monotonic() < deadline:
        time.sleep(0.001)
    return ""


@app.get("/pid")
def pid() -> dict[str, int]:
    """Which worker answered."""
    return {"pid": os.getpid()}


mounted = Flask("mounted")


@mounted.get("/things/<thing>")
def thing(thing: str) -> str:
    """Of a mounted application."""
    return thing


def plain(environ, start_response):
    """No framework: answers without stating a length, or the old way, or twice."""
    path = environ["PATH_INFO"]
    if path == "/write":
        start_response("200 OK", [("Content-Type", "text/plain")])(b"written")
        return [b" and returned"]
    if path == "/read":
        lines = list(environ["wsgi.input"])
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"%d" % len(lines)]
    if path == "/twice":
        start_response("200 OK", [])
        start_response("200 OK", [])
    if path == "/raises":
        raise RuntimeError("theirs")
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"plain"]


app.wsgi_app = DispatcherMiddleware(app.wsgi_app, {"/mounted": mounted})
wrapped = inferometer.wsgi(DispatcherMiddleware(plain, {"/flask": mounted}))
