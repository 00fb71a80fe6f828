"""What compute hooks share: names of models, replacements that go back, one execute for runs inside runs, loads."""

import threading

import pytest

from inferometer.catalog.stages import Kind
from inferometer.hooks.compute import PART, What, first_array, inside, leading, measured, rows_of
from inferometer.hooks.loads import loading
from inferometer.hooks.model_names import of_checkpoint, of_file, of_folder
from inferometer.hooks.patching import UnsupportedError, override, replace_classmethod
from inferometer.recorder.frames import FrameMaker
from inferometer.wire.frame import decode
from inferometer.wire.records import executes


def told(worker):
    frame, names = decode(FrameMaker(worker).make()[1]), worker.shapes.all()
    return [(names.shapes[shape][1], run.rows) for _, shape, _, run in executes(frame, names)]


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("sentence-transformers/all-MiniLM-L6-v2", "sentence-transformers/all-MiniLM-L6-v2"),
        ("gpt2", "gpt2"),
        ("/models/tiny-llama", "tiny-llama"),
        ("./tiny-llama/", "tiny-llama"),
        ("~/models/ranker/1", "ranker"),
        ("a/b/ranker", "ranker"),
        ("/models/ranker/onnx", "ranker"),
    ],
)
def test_a_name_on_a_hub_stays_and_of_a_folder_it_is_the_folders(given, name):
    assert of_checkpoint(given) == name


@pytest.mark.parametrize(
    ("path", "name"), [("/m/resnet/1", "resnet"), ("/m/resnet/saved_model", "resnet"), ("/1/2/3", "3"), ("x", "x")]
)
def test_a_folder_that_is_only_a_version_gives_way_to_the_one_around_it(path, name):
    assert of_folder(path) == name


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/m/ranker/pytorch_model.bin", "ranker"),
        ("/m/ranker/openvino_model.xml", "ranker"),
        ("/m/ranker.keras", "ranker"),
        ("/m/minilm/onnx/model_int8.onnx", "minilm"),
        ("", ""),
    ],
)
def test_a_file_that_every_export_is_called_gives_way_to_its_folder(path, name):
    assert of_file(path) == name


class Array:
    """Something with a shape."""

    def __init__(self, *shape):
        self.shape = shape


@pytest.mark.parametrize(
    ("value", "rows"),
    [
        (Array(3, 4), 3),
        ((Array(2),), 2),
        ({"a": None, "b": Array(5, 1)}, 5),
        ([{"x": Array(7)}], 7),
        (Array(), 0),
        (Array("?", 2), 0),
        (Array(None), 0),
        ("text", 0),
        (None, 0),
        ([], 0),
    ],
)
def test_rows_are_the_leading_dimension_of_the_first_array(value, rows):
    assert rows_of(value) == rows


def test_arrays_are_not_looked_for_deeper_than_asked():
    assert first_array([[Array(1)]], 1) is None
    assert leading(first_array([[Array(1)]], 2)) == 1


class Outer:
    """Calls an inner runner."""

    def run(self, x):
        return Inner().run(x) + 1


class Inner:
    """Calls nobody."""

    def run(self, x):
        if x < 0:
            raise ValueError("theirs")
        return x * 2


@pytest.fixture
def hooked_runners(hooked, monkeypatch):
    def describe(runner, args, kwargs):
        return What("host-1", type(runner).__name__, abs(args[0]))

    make = measured(hooked, "x", describe)
    for owner in (Outer, Inner):
        monkeypatch.setattr(owner, "run", make(vars(owner)["run"]))
    return hooked


def test_the_outermost_of_runs_inside_runs_is_the_execute(hooked_runners):
    assert Outer().run(3) == 7
    assert Inner().run(4) == 8

    assert told(hooked_runners) == [("Outer", 3), ("Inner", 4)]
    assert inside.around is None


def test_an_error_passes_and_leaves_no_run_behind(hooked_runners):
    with pytest.raises(ValueError, match="theirs"):
        Outer().run(-1)

    assert inside.around is None
    assert Inner().run(1) == 2
    assert [name for name, _ in told(hooked_runners)] == ["Outer", "Inner"]
    assert hooked_runners.hooks.errors() == {}


def test_threads_have_runs_of_their_own(hooked_runners):
    inside.around = PART
    thread = threading.Thread(target=Inner().run, args=(5,))
    thread.start()
    thread.join()
    Inner().run(6)
    inside.around = None

    assert told(hooked_runners) == [("Inner", 5)]


def test_what_is_described_as_no_run_lets_the_runs_inside_count(hooked, monkeypatch):
    def describe(runner, args, kwargs):
        return What("host-1", "inner", args[0], Kind.NONE) if isinstance(runner, Inner) else None

    make = measured(hooked, "x", describe)
    for owner in (Outer, Inner):
        monkeypatch.setattr(owner, "run", make(vars(owner)["run"]))
    Outer().run(2)

    assert told(hooked) == [("inner", 2)]


@pytest.mark.parametrize("broken", ["describe", "begin", "end"])
def test_what_raises_in_ours_is_counted_and_the_run_goes_on_once(hooked, monkeypatch, broken):
    calls = []

    def describe(runner, args, kwargs):
        if broken == "describe":
            raise KeyError
        return What("host-1", "m", 1)

    if broken != "describe":
        monkeypatch.setattr(hooked.executes, broken, lambda *_, **__: 1 / 0)
    run = measured(hooked, "x", describe)(lambda _, x: calls.append(x) or x)

    assert run(Inner(), 3) == 3
    assert calls == [3]
    assert hooked.hooks.errors() == {"x": 1}
    assert inside.around is None


def test_the_outermost_load_is_told_and_one_that_fails_is_none(hooked):
    inner = loading(hooked, "x", lambda *_: "inner")(lambda: "part")
    outer = loading(hooked, "x", lambda loaded, args, _: f"{loaded} of {args[0]}")(lambda _: inner())

    def fails():
        raise OSError("no file")

    assert outer("whole") == "part"
    with pytest.raises(OSError, match="no file"):
        loading(hooked, "x", lambda *_: "failed")(fails)()
    assert inner() == "part"

    assert [model for model, *_ in hooked.take_loads()] == ["part of whole", "inner"]


def test_a_name_that_cannot_be_found_is_counted_and_what_was_loaded_returned(hooked):
    assert loading(hooked, "x", lambda *_: 1 / 0)(lambda: "loaded")() == "loaded"
    assert hooked.hooks.errors() == {"x": 1}


class Base:
    """Has methods of both kinds."""

    @classmethod
    def make(cls, x):
        """Docs."""
        return cls, x

    def run(self):
        return "theirs"


class Child(Base):
    """Inherits them."""


def test_a_class_method_is_replaced_for_its_children_and_goes_back(hooked):
    before = vars(Base)["make"]
    replace_classmethod(hooked, "x", Base, "make", lambda original: lambda cls, x: original(cls, x + 1))

    assert Child.make(1) == (Child, 2)
    assert Base.make.__doc__ == "Docs."
    hooked.hooks.failed("x", RuntimeError())
    assert vars(Base)["make"] is before


def test_an_override_stands_before_what_is_inherited_and_goes_away(hooked):
    override(hooked, "x", Child, "run", lambda original: lambda self: "ours, " + original(self))

    assert (Child().run(), Base().run()) == ("ours, theirs", "theirs")
    hooked.hooks.failed("x", RuntimeError())
    assert "run" not in vars(Child)


@pytest.mark.parametrize(
    ("replacing", "name"), [(replace_classmethod, "run"), (replace_classmethod, "missing"), (override, "missing")]
)
def test_what_is_not_there_or_of_another_kind_is_refused(hooked, replacing, name):
    with pytest.raises(UnsupportedError, match=f"has no (class method )?{name}"):
        replacing(hooked, "x", Base, name, lambda original: original)
