"""How far the sidecar steps back behind what it watches."""

import os
from typing import Final

USUAL: Final = 10
"""Where processors are short it gets a tenth of what a process that did not step back gets of a core: enough for some
thousand requests a second, and little enough that they do not feel it start, compact or render a page."""
MOST: Final = 19


def step_back(niceness: int = USUAL) -> None:
    """Raise the niceness of this process, and of the threads that it will start, to at least *niceness* (0 to 19).

    Nobody may take that back without privileges, so a process that has stepped back further stays there.
    """
    os.nice(max(0, niceness - os.nice(0)))
