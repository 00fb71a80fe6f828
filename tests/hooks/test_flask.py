"""What only Flask has: its test client, asynchronous views, providers of JSON; hooks that are missing or fail."""

import flask
import flask.app
import pytest
from hooks_out import take_out

from inferometer.catalog.stages import Outcome, Stage
from inferometer.hooks import flask as hook
from inferometer.hooks.patching import UnsupportedError
from inferometer.record.partition import partition
from inferometer.recorder.frames import FrameMaker
from inferometer.recorder.request import current
from inferometer.recorder.wsgi_request import WsgiRequest
from inferometer.wire.frame import decode
from inferometer.wire.records import records


@pytest.fixture
def app():
    made = flask.Flask("made")
    made.testing = False

    @made.post("/double/<int:x>")
    def double(x):
        assert flask.request.get_json() == flask.request.get_json()
        return flask.jsonify([x * 2] * 2000)

    @made.get("/later")
    async def later():
        return str(current() is not None)

    @made.get("/handled")
    def handled():
        raise TimeoutError

    @made.errorhandler(TimeoutError)
    def give_up(error):
        return "late", 504

    return made


@pytest.fixture
def worker(hooked):
    hook.install(hooked, flask.app, "flask")
    return hooked


def told(worker):
    return list(records(decode(FrameMaker(worker).make()[1]), worker.shapes.all()))


def test_a_users_own_test_client_gets_its_answer_and_a_record(worker, app):
    answer = app.test_client().post("/double/4", json={"values": list(range(5000))})
    assert answer.get_json()[0] == 8
    (record,) = told(worker)
    found = partition(record)

    assert (record.labels.route, record.outcome) == ("/double/<int:x>", Outcome.OK)
    assert found.total(Stage.DESERIALIZE) > 0
    assert found.total(Stage.SERIALIZE) > 0


def test_an_asynchronous_view_runs_in_its_request(worker, app):
    assert app.test_client().get("/later").text == "True"
    assert told(worker)[0].labels.route == "/later"


def test_an_error_that_the_application_handles_is_what_it_answers(worker, app):
    assert app.test_client().get("/handled").status_code == 504
    assert told(worker)[0].outcome is Outcome.TIMEOUT


def test_a_custom_provider_of_json_is_marked_too(worker, app):
    class Provider(flask.json.provider.DefaultJSONProvider):
        def dumps(self, obj, **kwargs):
            return super().dumps(obj, **kwargs).replace("8", "9")

    app.json = Provider(app)
    assert app.test_client().post("/double/4", json={}).get_json()[0] == 9
    assert partition(told(worker)[0]).total(Stage.SERIALIZE) > 0


def test_a_failure_of_ours_leaves_the_answer_alone_and_takes_the_hook_out(worker, app, monkeypatch, caplog):
    monkeypatch.setattr(WsgiRequest, "routed", lambda *_: 1 / 0)
    for _ in range(2):
        assert app.test_client().post("/double/4", json={}).get_json()[0] == 8

    assert worker.hooks.errors() == {"flask": 1}
    assert not hasattr(flask.Flask.full_dispatch_request, "__wrapped__")
    assert len(told(worker)) == 2
    assert "ZeroDivisionError" in caplog.text


def test_another_flask_is_still_recorded(hooked):
    class Flask:
        def __call__(self, _, start_response):
            start_response("200 OK", [])
            return [b"x"]

    other = type(flask)("other")
    other.Flask = Flask
    with pytest.raises(UnsupportedError, match="Flask has no full_dispatch_request, handle_exception, make_response"):
        hook.install(hooked, other, "flask")
    list(Flask()({"REQUEST_METHOD": "GET", "PATH_INFO": "/"}, lambda *_: None))

    assert told(hooked)[0].outcome is Outcome.OK


def test_taken_out_nothing_of_ours_is_left(worker):
    take_out(worker)
    ours = [
        (owner.__name__, name)
        for owner in (flask.Flask, flask.Request, flask.json.provider.DefaultJSONProvider)
        for name, value in vars(owner).items()
        if "inferometer" in str(getattr(value, "__code__", ""))
    ]

    assert ours == []
