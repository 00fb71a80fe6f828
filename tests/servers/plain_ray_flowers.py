"""The example of Ray Serve as ``serve run flowers:app --name flowers`` starts it."""

from flowers import app

apps = {"flowers": (app, "/")}
"""Name of the application, which is that of the model."""
