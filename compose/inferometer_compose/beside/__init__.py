"""A sidecar beside one command: the command is what it was, the sidecar sees what it does, and ends after it."""
