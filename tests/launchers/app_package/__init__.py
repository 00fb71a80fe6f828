"""FastAPI in a package; the one line is in a module of it that knows nothing of the application."""
