"""Schemas for kubeconform: strict where the API is, open where it is, whole in one file."""

import pytest

import schemas

_INT_OR_STRING = {"oneOf": [{"type": "integer"}, {"type": "string"}]}


def crd(schema):
    return {
        "spec": {
            "group": "keda.sh",
            "names": {"kind": "Thing"},
            "versions": [{"name": "v1alpha1", "schema": {"openAPIV3Schema": {"type": "object", "properties": schema}}}],
        }
    }


@pytest.fixture
def made():
    """The schema of a kind with some properties."""
    meta = {schemas._OBJECT_META: {"type": "object", "properties": {"name": {"type": "string"}}}}
    return lambda **properties: dict(schemas.of_crd(crd(properties), meta))["thing-keda-v1alpha1.json"]


def test_files_are_named_as_kubeconform_asks_for_them():
    assert schemas.file_name("", "v1", "ConfigMap") == "configmap-v1.json"
    assert schemas.file_name("apps", "v1", "Deployment") == "deployment-apps-v1.json"
    assert schemas.file_name("rbac.authorization.k8s.io", "v1", "Role") == "role-rbac-v1.json"


def test_a_key_that_nobody_knows_is_refused_at_every_depth(made):
    schema = made(spec={"type": "object", "properties": {"a": {"type": "object", "properties": {"b": {}}}}})

    assert schema["additionalProperties"] is False
    assert schema["properties"]["spec"]["additionalProperties"] is False
    assert schema["properties"]["spec"]["properties"]["a"]["additionalProperties"] is False


def test_maps_and_what_is_kept_as_it_is_stay_open(made):
    schema = made(
        labels={"type": "object", "additionalProperties": {"type": "string"}},
        raw={"type": "object", "properties": {"a": {}}, "x-kubernetes-preserve-unknown-fields": True},
    )

    assert schema["properties"]["labels"] == {"type": "object", "additionalProperties": {"type": "string"}}
    assert "additionalProperties" not in schema["properties"]["raw"]


def test_a_number_or_a_text_is_either(made):
    schema = made(port={"x-kubernetes-int-or-string": True, "anyOf": [{"type": "integer"}]})

    assert schema["properties"]["port"] == _INT_OR_STRING


def test_null_is_right_only_where_the_api_takes_it(made):
    schema = made(a={"type": "string", "nullable": True}, b={"type": "string"})

    assert schema["properties"]["a"]["type"] == ["string", "null"]
    assert schema["properties"]["b"]["type"] == "string"


def test_a_schema_is_of_one_kind_and_whole(made):
    schema = made(spec={"type": "object"})

    assert schema["properties"]["apiVersion"] == {"enum": ["keda.sh/v1alpha1"]}
    assert schema["properties"]["kind"] == {"enum": ["Thing"]}
    assert set(schema["required"]) == {"apiVersion", "kind", "metadata"}
    assert schema["definitions"].keys() == {schemas._OBJECT_META}


def test_kubernetes_own_kinds_bring_what_they_refer_to():
    document = {
        "definitions": {
            "v1.ConfigMap": {
                "type": "object",
                "properties": {
                    "size": {"$ref": "#/definitions/io.api.resource.Quantity"},
                    "next": {"$ref": "#/definitions/v1.Part"},
                },
                "x-kubernetes-group-version-kind": [{"group": "", "version": "v1", "kind": "ConfigMap"}],
            },
            "v1.Part": {"type": "object", "properties": {"again": {"$ref": "#/definitions/v1.Part"}}},
            "io.api.resource.Quantity": {"type": "string"},
            "v1.Other": {"type": "object"},
        }
    }

    schema = dict(schemas.of_kubernetes(document))["configmap-v1.json"]

    assert schema["definitions"].keys() == {"v1.Part", "io.api.resource.Quantity"}
    assert schema["definitions"]["io.api.resource.Quantity"] == {"oneOf": [{"type": "string"}, {"type": "number"}]}


def test_without_go_it_says_what_is_missing(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(schemas.ModuleError, match="Go is not on PATH: install Go"):
        schemas.folder("k8s.io/kubernetes", "v1.29.15")
