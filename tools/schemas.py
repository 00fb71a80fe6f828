"""JSON Schemas of what Kubernetes and its operators accept, for kubeconform: made from their own modules.

    tools/schemas.py            make .tools/schemas, unless the pins in tools/versions.json are those it was made from

Kubernetes publishes an OpenAPI document, operators their CustomResourceDefinitions; the Go module proxy has both.
What comes out is strict: a key that the API would prune or refuse is an error.
"""

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from ruamel.yaml import YAML

HERE: Final = Path(__file__).resolve().parent
OUT: Final = HERE.parent / ".tools" / "schemas"
STAMP: Final = "made-from.txt"
RECIPE: Final = "1"
"""Raise when this program makes other schemas of the same modules."""

KINDS: Final = frozenset(
    {
        ("", "ConfigMap"),
        ("", "Namespace"),
        ("", "Secret"),
        ("", "Service"),
        ("", "ServiceAccount"),
        ("apps", "DaemonSet"),
        ("apps", "Deployment"),
        ("autoscaling", "HorizontalPodAutoscaler"),
        ("networking.k8s.io", "NetworkPolicy"),
        ("rbac.authorization.k8s.io", "ClusterRole"),
        ("rbac.authorization.k8s.io", "ClusterRoleBinding"),
        ("rbac.authorization.k8s.io", "Role"),
        ("rbac.authorization.k8s.io", "RoleBinding"),
    }
)
"""Kinds of Kubernetes itself that our manifests hold, by group."""

_REF: Final = "#/definitions/"
_OBJECT_META: Final = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
_INT_OR_STRING: Final = {"oneOf": [{"type": "integer"}, {"type": "string"}]}
_QUANTITY: Final = {"oneOf": [{"type": "string"}, {"type": "number"}]}

Json = dict[str, Any]


class ModuleError(Exception):
    """A module cannot be had, or does not hold what it should."""


def folder(module: str, version: str) -> Path:
    """Where Go keeps a module's files; they are downloaded where they are missing.

    Raises:
        ModuleError: Go is missing, or the module cannot be had.
    """
    command = ["go", "mod", "download", "-json", f"{module}@{version}"]
    try:
        done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=HERE)  # noqa: S603 - pinned names
    except FileNotFoundError as error:
        raise ModuleError("Go is not on PATH: install Go 1.26 or newer (https://go.dev/dl/)") from error
    try:
        said: Json = json.loads(done.stdout)
    except ValueError as error:
        raise ModuleError(f"{module}@{version}: {done.stderr.strip()}") from error
    if "Error" in said:
        raise ModuleError(f"{module}@{version}: {said['Error']}")
    return Path(said["Dir"])


def of_kubernetes(document: Json) -> Iterator[tuple[str, Json]]:
    """Name of the file and schema of each of `KINDS`, from Kubernetes' OpenAPI document."""
    definitions = {name: _definition(name, schema) for name, schema in document["definitions"].items()}
    for name, schema in document["definitions"].items():
        for kind in schema.get("x-kubernetes-group-version-kind", ()):
            if (kind["group"], kind["kind"]) in KINDS:
                identified = _identified(definitions[name], kind["group"], kind["version"], kind["kind"])
                yield file_name(kind["group"], kind["version"], kind["kind"]), _closed(identified, definitions)


def of_crd(crd: Json, definitions: Mapping[str, Json]) -> Iterator[tuple[str, Json]]:
    """Name of the file and schema of each version of a CustomResourceDefinition."""
    spec = crd["spec"]
    group, kind = spec["group"], spec["names"]["kind"]
    for version in spec["versions"]:
        schema = _strict(version["schema"]["openAPIV3Schema"])
        schema["properties"]["metadata"] = {"$ref": _REF + _OBJECT_META}
        yield (
            file_name(group, version["name"], kind),
            _closed(_identified(schema, group, version["name"], kind), definitions),
        )


def file_name(group: str, version: str, kind: str) -> str:
    """As kubeconform asks for it with ``{{ .ResourceKind }}{{ .KindSuffix }}.json``."""
    suffix = f"{group.partition('.')[0]}-{version}" if group else version
    return f"{kind}-{suffix}.json".lower()


def _definition(name: str, schema: Json) -> Json:
    if name.endswith(".intstr.IntOrString"):
        return dict(_INT_OR_STRING)
    return dict(_QUANTITY) if name.endswith(".resource.Quantity") else _strict(schema)


def _strict(schema: Any) -> Any:
    """A schema without what only Kubernetes reads, in which no key may be written that it does not know."""
    if isinstance(schema, list):
        return [_strict(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("x-kubernetes-int-or-string"):
        return dict(_INT_OR_STRING)
    strict: Json = {}
    for key, value in schema.items():
        if key in {"properties", "definitions"}:
            strict[key] = {name: _strict(entry) for name, entry in value.items()}
        elif not key.startswith("x-kubernetes-") and key not in {"description", "nullable", "default", "format"}:
            strict[key] = _strict(value)
    if schema.get("nullable") and isinstance(schema.get("type"), str):
        strict["type"] = [schema["type"], "null"]
    open_ended = schema.get("x-kubernetes-preserve-unknown-fields") or "additionalProperties" in schema
    if "properties" in strict and not open_ended:
        strict["additionalProperties"] = False
    return strict


def _identified(schema: Json, group: str, version: str, kind: str) -> Json:
    """The schema of one kind: its API version and kind are these, and are written."""
    api_version = f"{group}/{version}" if group else version
    properties = {**schema["properties"], "apiVersion": {"enum": [api_version]}, "kind": {"enum": [kind]}}
    required = sorted({*schema.get("required", ()), "apiVersion", "kind", "metadata"})
    return {**schema, "properties": properties, "required": required}


def _closed(schema: Json, definitions: Mapping[str, Json]) -> Json:
    """A schema that holds every definition that it refers to, and those that these refer to."""
    needed: dict[str, Json] = {}
    waiting = [schema]
    while waiting:
        for name in _references(waiting.pop()):
            if name not in needed:
                needed[name] = definitions[name]
                waiting.append(definitions[name])
    return {**schema, "definitions": needed}


def _references(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        if isinstance(reference := schema.get("$ref"), str):
            yield reference.removeprefix(_REF)
        for value in schema.values():
            yield from _references(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from _references(value)


def make(pins: Json, out: Path) -> int:
    """Write the schemas of all pinned modules below *out*, one folder per version of Kubernetes; how many.

    Raises:
        ModuleError: a module cannot be had.
    """
    crds = [
        _read(folder(pin["module"], pin["version"]) / path) for pin in pins["crds"].values() for path in pin["files"]
    ]
    count = 0
    for version in pins["kubernetes"]["versions"]:
        where = folder(pins["kubernetes"]["module"], f"v{version}") / pins["kubernetes"]["file"]
        document = json.loads(where.read_text(encoding="utf-8"))
        definitions = {name: _definition(name, schema) for name, schema in document["definitions"].items()}
        target = out / version
        target.mkdir(parents=True)
        for name, schema in [*of_kubernetes(document), *(made for crd in crds for made in of_crd(crd, definitions))]:
            (target / name).write_text(json.dumps(schema), encoding="utf-8")
            count += 1
    return count


def _read(path: Path) -> Json:
    text = path.read_text(encoding="utf-8")
    found: Json = json.loads(text) if path.suffix == ".json" else YAML(typ="safe", pure=True).load(text)
    return found


def main() -> int:
    """Make the schemas unless they are there; the exit status."""
    pins = json.loads((HERE / "versions.json").read_text(encoding="utf-8"))["schemas"]
    stamp = hashlib.sha256(json.dumps([RECIPE, pins], sort_keys=True).encode()).hexdigest()
    made = OUT / STAMP
    if made.is_file() and made.read_text(encoding="utf-8") == stamp:
        print(f"{'schemas':<13} {', '.join(pins['kubernetes']['versions'])} up to date")
        return 0
    part = OUT.with_name(f".schemas.{stamp[:8]}")
    shutil.rmtree(part, ignore_errors=True)
    try:
        count = make(pins, part)
        (part / STAMP).write_text(stamp, encoding="utf-8")
    except (ModuleError, OSError, KeyError) as error:
        shutil.rmtree(part, ignore_errors=True)
        print(f"tools/schemas.py: {error}", file=sys.stderr)
        return 1
    shutil.rmtree(OUT, ignore_errors=True)
    part.rename(OUT)
    print(f"{'schemas':<13} {', '.join(pins['kubernetes']['versions'])} {count} written")
    return 0


if __name__ == "__main__":
    sys.exit(main())
