"""One CUDA device has one name, in whichever process it is device 0."""

from types import SimpleNamespace

import pytest

from inferometer.hooks.cuda_devices import uuid, visible
from inferometer.recorder.shapes import Shapes

UUID = "GPU-8932f937-d72c-4106-c12f-20bd9faed9f6"


@pytest.mark.parametrize(
    ("listed", "number", "name"),
    [
        (None, 1, "cuda:1"),
        ("", 0, "cuda:0"),
        ("2,3", 1, "cuda:3"),
        (f"{UUID},1", 0, UUID),
        (" MIG-41f2 ", 0, "MIG-41f2"),
        ("GPU-8932f937", 0, "GPU-8932f937"),
        ("3", 1, "cuda:1"),
        ("NoDevFiles", 0, "cuda:0"),
    ],
)
def test_the_environment_says_which_gpu_a_number_is(listed, number, name):
    environ = {} if listed is None else {"CUDA_VISIBLE_DEVICES": listed}

    assert visible(number, environ) == name


def test_pytorch_says_the_uuid_where_it_knows_it():
    new = SimpleNamespace(get_device_properties=lambda _: SimpleNamespace(uuid=UUID.removeprefix("GPU-")))
    old = SimpleNamespace(get_device_properties=lambda _: SimpleNamespace())

    def nobody(_):
        raise RuntimeError("Found no NVIDIA driver on your system")

    assert uuid(new, 0, {"CUDA_VISIBLE_DEVICES": "5"}) == UUID
    assert uuid(old, 0, {"CUDA_VISIBLE_DEVICES": "5"}) == "cuda:5"
    assert uuid(SimpleNamespace(get_device_properties=nobody), 0, {}) == "cuda:0"


def test_a_string_that_stands_for_another_travels_as_that_one():
    shapes = Shapes("svc", "")
    before = shapes.string("cuda:0")
    shapes.alias("cuda:0", UUID)

    assert shapes.string("cuda:0") == shapes.string(UUID) != before
    assert shapes.take_fresh().strings[shapes.string("cuda:0")] == UUID
