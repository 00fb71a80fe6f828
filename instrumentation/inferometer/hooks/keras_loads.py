"""Keras: loading a model from a file is a model load."""

from inferometer.hooks.keras import install_loads as install

__all__ = ["install"]
