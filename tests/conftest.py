"""What holds for every test."""

from hypothesis import settings

# They need an environment of their own: `make test-frameworks`, `make test-servers`.
collect_ignore = ["frameworks", "servers"]

# Machines are noisy: an example that took long says nothing about the code. Speed is measured by benchmarks/.
settings.register_profile("inferometer", deadline=None)
settings.load_profile("inferometer")
