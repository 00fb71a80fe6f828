"""Label sets travel once, and a flood of names stays bounded."""

from inferometer.catalog.labels import MODEL, TENANT
from inferometer.recorder.shapes import MAX_SHAPES, MAX_STRINGS, OTHER, Shapes


def key(model="m", tenant="", method="POST", route="/predict"):
    return model, "1", tenant, "", method, route


def test_a_label_set_has_one_number_and_travels_once():
    shapes = Shapes("svc", "eu")
    number = shapes.number(key())

    assert shapes.number(key()) == number
    assert shapes.take_fresh().shapes == {number: ("svc", "m", "1", "eu", "", "", "POST", "/predict")}
    assert shapes.take_fresh().shapes == {}
    assert list(shapes.all().shapes) == [number]


def test_a_hundred_thousand_tenants_are_bounded_and_leave_the_rest_alone():
    shapes = Shapes("svc", "")
    for n in range(100_000):
        shapes.number(key(tenant=f"t{n}"))
    known = {shape[4] for shape in shapes.all().shapes.values()}

    assert len(known) == TENANT.max_values + 1
    assert OTHER in known
    assert len(shapes.numbers) <= MAX_SHAPES
    number = shapes.number(key(model="late"))
    assert shapes.all().shapes[number][1] == "late"


def test_a_hundred_thousand_models_are_bounded():
    shapes = Shapes("svc", "")
    numbers = {shapes.number(key(model=f"m{n}", route=f"/r/{n}")) for n in range(100_000)}

    assert len({shape[1] for shape in shapes.all().shapes.values()}) == MODEL.max_values + 1
    assert len(numbers) <= 2 * MAX_SHAPES


def test_long_names_and_unknown_methods_are_cut_to_size():
    shapes = Shapes("svc", "")
    number = shapes.number(key(model="m" * 10_000, method="PROPFIND"))
    shape = shapes.all().shapes[number]

    assert len(shape[1]) == 200
    assert shape[6] == OTHER


def test_strings_are_bounded():
    shapes = Shapes("svc", "")
    numbers = {shapes.string(f"host-{n}:80") for n in range(10_000)}

    assert len(numbers) == MAX_STRINGS + 1
    assert OTHER in shapes.all().strings.values()


def test_a_route_of_one_model_lends_it_its_name_when_a_request_ends_early():
    shapes = Shapes("svc", "")
    assert shapes.learned("/embed") == "/embed"
    shapes.learn("/embed", "minilm")

    assert shapes.learned("/embed") == "minilm"


def test_a_route_of_several_models_lends_no_name():
    shapes = Shapes("svc", "")
    shapes.learn("/models/{name}", "a")
    shapes.learn("/models/{name}", "b")
    shapes.learn("/models/{name}", "a")

    assert shapes.learned("/models/{name}") == "/models/{name}"
