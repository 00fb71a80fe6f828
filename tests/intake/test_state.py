"""The state file: all of it or the one before, and never a damaged one."""

import hashlib
import json
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inferometer.errors import StateError
from inferometer.intake.state import State, StateFile


def written(path: Path) -> bytes:
    """The state without the room behind it, which holds nothing."""
    data = path.read_bytes()
    begin = 20 + int.from_bytes(data[16:20], "little")
    return data[: begin + sum(json.loads(data[20:begin]).values()) + 16]


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
    whole = bytearray(written(path))
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at] ^= data.draw(st.integers(1, 255))
    path.write_bytes(bytes(whole))

    assert StateFile(path).read() is None
    assert not path.exists()
    assert (folder / "intake.damaged-0").read_bytes() == bytes(whole)


def test_a_state_is_written_into_the_room_of_the_one_before_the_last(tmp_path):
    """So that a disk which others have filled does not stop it."""
    path = tmp_path / "intake.state"
    file = StateFile(path)
    inodes = []
    for number in range(1, 7):
        file.write(State(number, {"a": b"x" * (1_000 - 100 * number)}))
        inodes.append(path.stat().st_ino)
        assert file.read() == State(number, {"a": b"x" * (1_000 - 100 * number)})

    assert inodes[2:] == inodes[:4]
    assert len(set(inodes)) == 2
    assert sorted(p.name for p in tmp_path.iterdir()) == ["intake.next", "intake.state"]


def test_a_file_that_became_much_too_large_gives_its_room_back(tmp_path):
    path = tmp_path / "intake.state"
    file = StateFile(path)
    for size in (6 << 20, 6 << 20, 1_000, 1_000):
        file.write(State(1, {"a": b"x" * size}))

    assert max(p.stat().st_size for p in tmp_path.iterdir()) < 1 << 19


def test_a_state_has_room_to_grow_before_it_needs_more_of_the_disk(tmp_path):
    path = tmp_path / "intake.state"
    file = StateFile(path)
    for size in (50_000, 50_000, 100_000, 300_000):
        file.write(State(1, {"a": b"x" * size}))
    blocks = [p.stat().st_blocks * 512 for p in tmp_path.iterdir()]

    assert min(blocks) >= 300_000
    assert file.read() == State(1, {"a": b"x" * 300_000})


@pytest.mark.parametrize("at", ["link", "swap"])
def test_an_end_between_the_names_of_old_and_new_leaves_one_whole_state(tmp_path, monkeypatch, at):
    """The process dies after the old file got its second name, or after the new one took its place."""
    path = tmp_path / "intake.state"
    file = StateFile(path)
    file.write(State(1, {"a": b"one"}))
    file.write(State(2, {"a": b"two"}))
    replace = Path.replace

    def dies(self, target):
        if (at, self.suffix) in {("link", ".next"), ("swap", ".before")}:
            raise KeyboardInterrupt
        return replace(self, target)

    with monkeypatch.context() as context:
        context.setattr(Path, "replace", dies)
        with pytest.raises(KeyboardInterrupt):
            file.write(State(3, {"a": b"three"}))
    want = State(2, {"a": b"two"}) if at == "link" else State(3, {"a": b"three"})

    assert StateFile(path).read() == want
    for number in range(4, 8):
        StateFile(path).write(State(number, {"a": b"later"}))
        assert StateFile(path).read() == State(number, {"a": b"later"})


def test_where_a_file_cannot_have_two_names_a_state_is_written_all_the_same(tmp_path, monkeypatch):
    def refused(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "hardlink_to", refused)
    path = tmp_path / "intake.state"
    for number in range(1, 4):
        StateFile(path).write(State(number, {"a": b"x"}))
        assert StateFile(path).read() == State(number, {"a": b"x"})


@given(st.data())
def test_a_file_cut_anywhere_is_set_aside_whatever_it_holds(tmp_path_factory, data):
    """Inside head, index, section or checksum; or filled with zeros from there, as a file system may leave it."""
    folder = tmp_path_factory.mktemp("state")
    path = folder / "intake.state"
    sections = data.draw(st.dictionaries(st.text(max_size=8), st.binary(max_size=40), max_size=3))
    StateFile(path).write(State(7, sections))
    whole = written(path)
    keep = data.draw(st.integers(0, len(whole) - 1))
    zeros = data.draw(st.booleans())
    cut = whole[:keep] + (bytes(len(whole) - keep) if zeros else b"")
    path.write_bytes(cut)

    found = StateFile(path).read()

    assert found is None or cut == whole
    assert cut == whole or (folder / "intake.damaged-0").read_bytes() == cut


@given(st.binary(max_size=200))
def test_no_bytes_break_the_reader(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("state") / "intake.state"
    for begin in (b"", b"IFMSTAT1"):
        path.write_bytes(begin + data)
        assert StateFile(path).read() is None


def test_a_state_of_before_there_was_room_behind_it_is_read(tmp_path):
    """Format of the first version: nothing but head, index, sections, checksum."""
    body = struct.pack("<8sQI", b"IFMSTAT1", 5, 7) + b'{"a":3}' + b"one"
    path = tmp_path / "intake.state"
    path.write_bytes(body + hashlib.blake2b(body, digest_size=16).digest())

    assert StateFile(path).read() == State(5, {"a": b"one"})


def test_a_file_that_was_cut_is_set_aside_beside_those_before(tmp_path, caplog):
    path = tmp_path / "intake.state"
    for keep in (5, 40):
        StateFile(path).write(State(7, {"a": b"content" * 10}))
        path.write_bytes(written(path)[:keep])
        assert StateFile(path).read() is None

    assert sorted(p.name for p in tmp_path.glob("*damaged*")) == ["intake.damaged-0", "intake.damaged-1"]
    assert "counters begin anew" in caplog.text


def test_a_folder_that_cannot_be_written_is_said_by_name(tmp_path):
    with pytest.raises(StateError, match=r"cannot write .*gone"):
        StateFile(tmp_path / "gone/intake.state").write(State(1, {}))
    (tmp_path / "folder.state").mkdir()
    with pytest.raises(StateError, match="cannot read"):
        StateFile(tmp_path / "folder.state").read()
