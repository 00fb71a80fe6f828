"""A mark that a forked child does not inherit, however it was forked.

`os.register_at_fork` knows the forks of Python; a server that forks in C and does not tell Python leaves its children
with a flusher that has no thread and the ids of their parent. The kernel wipes a page of memory in every child.
"""

import mmap
from typing import Final

_MADV_WIPEONFORK: Final = 18  # of <linux/mman.h>; Python has no name for it


def wiped_in_children() -> "mmap.mmap | bytearray":
    """Memory whose bytes are 0 now, and in every child; where the system cannot do that, plain memory."""
    try:
        page = mmap.mmap(-1, mmap.PAGESIZE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        page.madvise(_MADV_WIPEONFORK)
    except (AttributeError, OSError, ValueError):
        return bytearray(1)
    return page
