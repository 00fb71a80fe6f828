"""What a call's metadata says to a server of each kind, what its caller is told, and which calls are recorded."""

import grpc
import pytest
from echo_calls import OURS, TRACE, fails, text
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inferometer.record.model import Flag
from inferometer.recorder.rpc_request import headers


def test_a_call_belongs_to_the_trace_that_its_metadata_names(world, kind):
    stub = world.stub(world.serve(kind))
    (record,) = world.recorded(
        lambda: stub.One(text(""), metadata=(*OURS, ("x-tenant", "acme"), ("traceparent-bin", b"\0")))
    )

    assert record.trace_id == int("ab" * 16, 16)
    assert record.parent_id == int("cd" * 8, 16)
    assert record.labels.tenant == "acme"
    assert not record.flags & Flag.ENTRY
    assert record.flags & Flag.SAMPLED


@pytest.mark.parametrize("sent", [63, 64, 65, 200])
def test_of_keys_that_somebody_looks_at_64_are_read_and_no_other_counts(sent):
    metadata = [("x-nobody-looks-at-it", "1"), ("x-tenant", "acme")] * sent

    assert headers(metadata, frozenset({"x-tenant"})) == ((b"x-tenant", b"acme"),) * min(sent, 64)


def test_a_call_with_more_keys_than_are_read_is_answered_and_recorded(world, kind):
    stub = world.stub(world.serve(kind))
    (record,) = world.recorded(lambda: stub.One(text(""), metadata=(*OURS, *[("x-tenant", "acme")] * 100)))

    assert record.trace_id == int("ab" * 16, 16)
    assert record.labels.tenant.startswith("acme,acme")


@pytest.mark.parametrize("method", ["One", "Many", "Sum", "Each"])
def test_only_a_caller_of_ours_is_told_how_long_it_took(world, kind, method):
    stub = world.stub(world.serve(kind))
    call = getattr(stub, method)
    argument = {"One": text("trailing 1"), "Many": text("2")}.get(method)

    def trailing(metadata):
        request = argument if argument is not None else iter([text("1")])
        if method in {"One", "Sum"}:
            _, inner = call.with_call(request, metadata=metadata)
        else:
            inner = call(request, metadata=metadata)
            list(inner)
        return dict(inner.trailing_metadata())

    told, kept = trailing(OURS), trailing((("traceparent", TRACE), ("tracestate", "theirs=2")))

    assert told["server-timing"].startswith("inferometer;dur=")
    assert "server-timing" not in kept
    if method == "One":
        assert told["theirs"] == kept["theirs"] == "1"


@pytest.mark.parametrize("what", ["code 5", "raise ValueError", "abort 5"])
def test_a_caller_of_ours_is_told_with_an_error_too(world, kind, what):
    stub = world.stub(world.serve(kind))
    with pytest.raises(grpc.RpcError) as raised:
        stub.One(text(what), metadata=OURS)
    told = dict(raised.value.trailing_metadata())

    # Of an abort the asyncio server sends everything before anybody can say more.
    assert ("server-timing" in told) is not (what == "abort 5" and kind != "threaded")


@settings(
    max_examples=min(40, settings.default.max_examples),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(
                ["traceparent", "tracestate", "baggage", "x-tenant", "b3", "x-request-id", "x-request-start"]
            ),
            st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=300),
        ),
        max_size=8,
    )
)
def test_hostile_metadata_does_no_harm(world, metadata):
    if not world.asked:
        world.address = world.serve("threaded")
    stub = world.stub(world.address)
    stub.One(text(""), metadata=tuple(metadata))

    assert not world.worker.hooks.errors()


@pytest.mark.parametrize("method", ["One", "Many"])
def test_the_handler_runs_inside_its_request(world, kind, method):
    stub = world.stub(world.serve(kind))
    (record,) = world.recorded(lambda: stub.One(text("")))

    assert world.asked[0][0].span_id == record.span_id


def test_probes_and_what_settings_leave_out_are_not_recorded(world, kind):
    stub = world.stub(world.serve(kind))
    channel = stub.channel

    def act():
        fails(channel.unary_unary("/grpc.health.v1.Health/Check"), b"")
        fails(channel.unary_unary("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"), b"")
        stub.Silent(text(""))
        stub.One(text(""))

    (record,) = world.recorded(act)

    assert record.labels.route == "test.Echo/One"
    assert world.asked[0][0] is None
