"""What holds for every test."""

from hypothesis import settings

# Machines are noisy: an example that took long says nothing about the code. Speed is measured by benchmarks/.
settings.register_profile("inferometer", deadline=None)
settings.load_profile("inferometer")
