"""The composition root: the command line, the demo fleet, the local stack."""
