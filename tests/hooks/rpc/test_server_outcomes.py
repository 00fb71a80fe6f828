"""How a call ended, on each kind of server: codes, errors, limits, who gives up."""

import time

import grpc
import pytest
from echo_calls import fails, text

from inferometer.catalog.rpc import STATUS_NAMES
from inferometer.catalog.stages import Outcome
from inferometer.recorder.rpc_status import OUTCOMES, code_of, given_up


@pytest.mark.parametrize("number", range(1, 17), ids=STATUS_NAMES[1:])
def test_an_aborted_call_has_the_outcome_of_its_code(world, kind, number):
    stub = world.stub(world.serve(kind))
    (record,) = world.recorded(lambda: fails(stub.One, text(f"abort {number}")))

    assert (record.status, record.outcome) == (number, OUTCOMES[number])


@pytest.mark.parametrize("number", [5, 13], ids=["NOT_FOUND", "INTERNAL"])
def test_an_aborted_stream_has_the_outcome_of_its_code(world, kind, number):
    stub = world.stub(world.serve(kind))
    (before,) = world.recorded(lambda: fails(lambda: list(stub.Many(text(f"abort {number};3")))))

    assert (before.status, before.outcome, before.chunks) == (number, OUTCOMES[number], 0)


# A plain function on the asyncio server aborts from another thread while its last message may still be on its way,
# which gRPC itself refuses.
@pytest.mark.parametrize("kind", ["threaded", "asyncio"])
def test_a_stream_that_is_aborted_in_the_middle_has_the_outcome_of_its_code(world, kind):
    stub = world.stub(world.serve(kind))
    (record,) = world.recorded(lambda: fails(lambda: list(stub.Late(text("abort 9")))))

    assert (record.status, record.outcome, record.chunks) == (9, Outcome.CLIENT_ERROR, 1)


def test_who_swallows_what_an_abort_raises_has_aborted_all_the_same(world, kind):
    stub = world.stub(world.serve(kind))
    (record,) = world.recorded(lambda: fails(stub.One, text("swallow 9")))

    assert (record.status, record.outcome) == (9, Outcome.CLIENT_ERROR)


def test_codes_have_the_outcomes_that_the_module_states():
    assert [outcome.label for outcome in OUTCOMES] == [
        "ok", "cancelled", "server_error", "client_error", "timeout", "client_error", "client_error", "client_error",
        "rejected", "client_error", "client_error", "client_error", "server_error", "server_error", "server_error",
        "server_error", "client_error",
    ]  # fmt: skip
    assert [code_of(status) for status in (None, grpc.StatusCode.ABORTED, 5, 99, -1, "5", object(), ())] == [
        0, 10, 5, 2, 2, 2, 2, 2,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("what", "status", "outcome"),
    [
        ("code 5", 5, Outcome.CLIENT_ERROR),
        ("fail 5", 5, Outcome.CLIENT_ERROR),
        ("raise ValueError", 2, Outcome.SERVER_ERROR),
        ("raise TimeoutError", 2, Outcome.TIMEOUT),
    ],
)
@pytest.mark.parametrize("method", ["One", "Many"])
def test_what_a_handler_says_or_raises_decides_the_outcome(world, kind, what, status, outcome, method):
    stub = world.stub(world.serve(kind))
    call = stub.One if method == "One" else lambda request: list(stub.Many(request))
    (record,) = world.recorded(lambda: fails(call, text(what if method == "One" else f"{what};3")))

    assert (record.status, record.outcome) == (status, outcome)


def test_a_message_that_cannot_be_decoded_is_recorded_and_the_server_goes_on(world, kind):
    stub = world.stub(world.serve(kind))
    raw = stub.channel.unary_unary("/test.Echo/One")
    seen = []
    (record,) = world.recorded(lambda: seen.append(fails(raw, b"bad")))
    (next_one,) = world.recorded(lambda: stub.One(text("")))

    assert (record.status, record.outcome) == (seen[0], Outcome.SERVER_ERROR)
    assert next_one.outcome is Outcome.OK


def test_an_answer_that_cannot_be_encoded_is_recorded(world, kind):
    def refuse(_):
        raise ValueError("no")

    stub = world.stub(world.serve(kind, coder={"encode": refuse}))
    seen = []
    (record,) = world.recorded(lambda: seen.append(fails(stub.One, text(""))))

    assert (record.status, record.outcome) == (seen[0], Outcome.SERVER_ERROR)


def test_a_method_that_nobody_has_is_the_callers_mistake_and_names_no_route(world, kind):
    stub = world.stub(world.serve(kind))
    (record,) = world.recorded(lambda: fails(stub.channel.unary_unary("/test.Echo/None"), b""))

    assert (record.status, record.outcome, record.labels.route) == (12, Outcome.CLIENT_ERROR, "")


def test_more_than_the_server_takes_at_once_is_rejected(world, kind):
    stub = world.stub(world.serve(kind, maximum_concurrent_rpcs=1))
    first = stub.One.future(text("hold"))
    assert world.held.acquire(timeout=20)
    # A second one may be let in by the asyncio server before it counts.
    (record,) = world.recorded(lambda: fails(stub.One, text(""), timeout=20))
    world.free.set()
    first.result(20)

    assert (record.status, record.outcome) == (8, Outcome.REJECTED)


def test_a_deadline_that_passes_is_a_timeout(world, kind):
    stub = world.stub(world.serve(kind))
    # The deadline goes on while the channel connects: the server may not hear of a call that had none to spare.
    world.recorded(lambda: stub.One(text("")))
    (record,) = world.recorded(lambda: fails(stub.One, text("sleep 0.6"), timeout=0.3))

    assert (record.status, record.outcome) == (4, Outcome.TIMEOUT)


def test_a_client_that_gives_up_is_cancelled(world, kind):
    stub = world.stub(world.serve(kind))

    def act():
        call = stub.One.future(text("hold"), timeout=20)
        assert world.held.acquire(timeout=20)
        call.cancel()
        time.sleep(0.05)  # the server must hear of it while the handler still runs
        world.free.set()

    (record,) = world.recorded(act)

    assert (record.status, record.outcome) == (1, Outcome.CANCELLED)


def test_a_client_that_gives_up_after_the_services_timeout_saw_a_timeout(world, kind):
    stub = world.stub(world.serve(kind))
    world.worker.timeout_ns = 10**7

    def act():
        call = stub.One.future(text("hold"), timeout=20)
        assert world.held.acquire(timeout=20)
        time.sleep(0.05)
        call.cancel()
        time.sleep(0.05)
        world.free.set()

    (record,) = world.recorded(act)

    assert (record.status, record.outcome) == (1, Outcome.TIMEOUT)


def test_a_cancel_just_before_the_deadline_is_the_deadline():
    second = 10**9
    cancels = [(None, 0), (0.015, second), (0.5, second), (0.5, 30 * second)]

    assert [given_up(left, waited) for left, waited in cancels] == [1, 4, 1, 4]


def test_an_interceptor_that_raises_is_the_calls_failure(world):
    class Theirs(grpc.ServerInterceptor):
        def intercept_service(self, *_):
            raise ValueError

    stub = world.stub(world.serve("threaded", interceptors=[Theirs()]))
    (record,) = world.recorded(lambda: fails(stub.One, text("")))

    assert (record.status, record.outcome) == (2, Outcome.SERVER_ERROR)


@pytest.mark.parametrize("kind", ["threaded", "asyncio"])
def test_the_generator_of_a_client_that_left_is_closed(world, kind):
    stub = world.stub(world.serve(kind))

    def act():
        answers = stub.Many(text("1000000"))
        next(iter(answers))
        answers.cancel()

    (record,) = world.recorded(act)

    assert world.closed.wait(20)
    assert (record.status, record.outcome) == (1, Outcome.CANCELLED)
