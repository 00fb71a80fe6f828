"""The state file: all of it or the one before, and never a damaged one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inferometer.errors import StateError
from inferometer.intake.state import State, StateFile


@given(st.integers(0, 2**64 - 1), st.dictionaries(st.text(max_size=20), st.binary(max_size=200), max_size=5))
def test_what_was_written_is_read(tmp_path_factory, number, sections):
    path = tmp_path_factory.mktemp("state") / "intake.state"
    StateFile(path).write(State(number, sections))

    assert StateFile(path).read() == State(number, sections)


def test_where_there_is_no_file_there_is_no_state(tmp_path):
    assert StateFile(tmp_path / "intake.state").read() is None


@pytest.mark.parametrize("step", ["written", "synced"])
def test_an_end_before_the_rename_leaves_the_state_before(tmp_path, step):
    file = StateFile(tmp_path / "intake.state")
    file.write(State(1, {"a": b"one"}))

    def end(at: str) -> None:
        if at == step:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        file.write(State(2, {"a": b"two"}), after_step=end)

    assert StateFile(tmp_path / "intake.state").read() == State(1, {"a": b"one"})


@given(st.data())
def test_any_byte_that_changed_is_noticed_and_the_file_set_aside(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("state")
    path = folder / "intake.state"
    StateFile(path).write(State(7, {"a": b"content", "b": b""}))
    whole = bytearray(path.read_bytes())
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at] ^= data.draw(st.integers(1, 255))
    path.write_bytes(bytes(whole))

    assert StateFile(path).read() is None
    assert not path.exists()
    assert (folder / "intake.damaged-0").read_bytes() == bytes(whole)


def test_a_file_that_was_cut_is_set_aside_beside_those_before(tmp_path, caplog):
    path = tmp_path / "intake.state"
    for keep in (5, 40):
        StateFile(path).write(State(7, {"a": b"content" * 10}))
        path.write_bytes(path.read_bytes()[:keep])
        assert StateFile(path).read() is None

    assert sorted(p.name for p in tmp_path.glob("*damaged*")) == ["intake.damaged-0", "intake.damaged-1"]
    assert "counters begin anew" in caplog.text


def test_a_folder_that_cannot_be_written_is_said_by_name(tmp_path):
    with pytest.raises(StateError, match=r"cannot write .*gone"):
        StateFile(tmp_path / "gone/intake.state").write(State(1, {}))
    (tmp_path / "folder.state").mkdir()
    with pytest.raises(StateError, match="cannot read"):
        StateFile(tmp_path / "folder.state").read()
