"""The pages on Kubernetes and autoscaling: links that exist, variables that are read, output that is the command's."""

import re
from pathlib import Path

import pytest
import typer

from inferometer.fleet.autoscaling import Targets
from inferometer.fleet.kubernetes import Cluster
from inferometer.fleet.schema import keys
from inferometer.settings import _VARIABLES
from inferometer_compose.commands import slo_scaling
from inferometer_compose.commands.declared import app

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
FLEET = ROOT / "examples/kubernetes/fleet.yaml"


@pytest.mark.parametrize("page", ["kubernetes.md", "autoscaling.md", "sidecar.md"])
def test_every_link_leads_somewhere(page):
    text = (DOCS / page).read_text(encoding="utf-8")

    for target in re.findall(r"\]\(([^)#]+)\)", text):
        if not target.startswith("http"):
            assert (DOCS / target).exists(), target


def test_every_variable_that_is_named_is_one_that_somebody_reads():
    text = (DOCS / "sidecar.md").read_text(encoding="utf-8")
    command = typer.main.get_command(app).commands["sidecar"]
    known = {*_VARIABLES, *(option.envvar for option in command.params if isinstance(option.envvar, str))}

    named = set(re.findall(r"`([A-Z]+_[A-Z_]+)`", text))
    assert {name for name in named if not name.startswith("DCGM_")} <= known


def test_every_target_and_every_key_of_the_cluster_is_explained():
    scaling = (DOCS / "autoscaling.md").read_text(encoding="utf-8")
    cluster = (DOCS / "kubernetes.md").read_text(encoding="utf-8")

    assert {entry.name for entry in keys(Targets)} == set(re.findall(r"^\| `([a-z0-9_]+)` \|", scaling, re.MULTILINE))
    for entry in keys(Cluster):
        assert f"  {entry.name}:" in cluster, entry.name


def test_the_output_that_is_shown_is_the_command_s(capsys):
    text = (DOCS / "autoscaling.md").read_text(encoding="utf-8")
    shown = re.search(r"```console\n\$ inferometer slo scaling llm [^\n]*\n(.*?)```", text, re.DOTALL)[1]

    slo_scaling.run("llm", FLEET, "", json=False)

    assert capsys.readouterr().out == shown
