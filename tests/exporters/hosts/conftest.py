"""A kernel that says what the test says."""

import pytest

from inferometer_exporters.hosts.roots import Roots


class Kernel:
    """Files under a folder of the test's."""

    def __init__(self, folder):
        self._folder = folder
        self.roots = Roots(proc=folder / "proc", sys=folder / "sys", cgroup=folder / "cgroup")

    def says(self, **files):
        """Write files: ``proc={"loadavg": "…"}``."""
        for root, named in files.items():
            for name, said in named.items():
                path = getattr(self.roots, root) / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(said)


@pytest.fixture
def kernel(tmp_path):
    return Kernel(tmp_path)
