"""Manifests of fleets, and the programs that check them; the helpers of this folder are imported by name."""

import sys
from functools import cache
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from inferometer.fleet.loader import loads
from inferometer_compose.kubernetes import manifests

sys.path.insert(0, str(Path(__file__).parent))
from fleets_in_kubernetes import FLEETS


def parsed(files: dict[str, bytes]) -> dict[str, object]:
    reader = YAML(typ="safe", pure=True)
    return {name: reader.load(content.decode()) for name, content in files.items() if name.endswith(".yaml")}


@pytest.fixture(scope="session")
def example(made):
    """The example's manifests by path."""
    return made(FLEETS["example"])


@pytest.fixture(params=FLEETS, scope="session")
def written(request, tmp_path_factory):
    """A folder with the manifests of each fleet."""
    folder = tmp_path_factory.mktemp(request.param)
    for name, content in manifests.files(loads(FLEETS[request.param])).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


@pytest.fixture(scope="session")
def made():
    """Manifests of a fleet that a text describes."""
    return cache(lambda text: parsed(manifests.files(loads(text))))
