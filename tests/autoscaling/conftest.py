"""Fleets with autoscalers; the helpers of this folder are imported by name."""

import sys
from pathlib import Path

import pytest

from inferometer.fleet.autoscaling_checks import scaled
from inferometer.fleet.loader import loads

sys.path.insert(0, str(Path(__file__).parent))
from scaled_fleet import fleet_text


@pytest.fixture
def make():
    """A fleet, with other autoscalers where they are given: ``make(embedder="{…}")``."""
    return lambda **autoscaling: loads(fleet_text(**autoscaling))


@pytest.fixture
def text():
    return fleet_text


@pytest.fixture
def fleet(make):
    return make()


@pytest.fixture
def models(fleet):
    """Scaled models by the name of their service."""
    return {model.service.name: model for model in scaled(fleet)}
