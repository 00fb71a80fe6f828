"""Where a worker runs, as HELLO carries it: old and new sides understand each other."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inferometer.errors import WireError
from inferometer.wire.message import Hello
from inferometer.wire.pod import MAX_TEXT, Pod

POD = Pod(namespace="ml", name="llm-0", uid="8d7c6b5a", node="node-1", container="serve", container_id="4f2a")
text = st.text(st.characters(min_codepoint=33, max_codepoint=0x2FF, categories=("L", "N", "P")), max_size=MAX_TEXT)
pods = st.builds(Pod, namespace=text, name=text, uid=text, node=text, container=text, container_id=text)


def hello(**more):
    return Hello(worker_id=b"w" * 16, pid=1, service="s", sdk_version="0", boot_id="b", host="h", start_ns=1, **more)


@given(pods)
def test_a_pod_comes_as_it_was_sent(pod):
    assert Hello.from_bytes(hello(pod=pod).to_bytes()).pod == pod
    assert Pod.of(pod.texts) == pod


def test_a_worker_that_knows_no_pod_says_what_it_always_said():
    data = json.loads(hello().to_bytes())

    assert "pod" not in data
    assert Hello.from_bytes(json.dumps(data).encode()).pod == Pod()


def test_what_a_later_worker_says_besides_is_passed_over():
    data = json.loads(hello(pod=POD).to_bytes())
    data["pod"]["zone"] = {"of": "a later version"}

    assert Hello.from_bytes(json.dumps(data).encode()).pod == POD


@pytest.mark.parametrize(
    ("pod", "message"),
    [
        (7, "a pod is 7, an object is right"),
        ("llm-0", "an object is right"),
        (["llm-0"], "an object is right"),
        ({"name": 7}, "the pod's name is 7, a text is right"),
        ({"node": None}, "the pod's node is None, a text is right"),
    ],
)
def test_what_is_no_pod_is_refused(pod, message):
    data = json.loads(hello().to_bytes()) | {"pod": pod}

    with pytest.raises(WireError, match=message):
        Hello.from_bytes(json.dumps(data).encode())


def test_texts_are_bounded_and_of_one_line():
    data = json.loads(hello().to_bytes()) | {"pod": {"name": "a\nb\x00" + "c" * 1000}}

    assert Hello.from_bytes(json.dumps(data).encode()).pod == Pod(name="ab" + "c" * (MAX_TEXT - 2))


@given(pods, pods)
def test_what_only_the_other_knows_is_added_and_nothing_is_changed(one, other):
    both = one.or_else(other)

    for mine, theirs, text in zip(one.texts, other.texts, both.texts, strict=True):
        assert text == (mine or theirs)
    assert bool(both) == bool(one or other)
