"""What a CUDA device is called outside of the process: there its number means nothing.

A process sees the GPUs of ``CUDA_VISIBLE_DEVICES`` only, and counts them from 0: two workers of a host may both run on
their ``cuda:0``, and mean two GPUs. The ledger needs one name for one device.
"""

import os
from collections.abc import Mapping
from typing import Any, Final

_VISIBLE: Final = "CUDA_VISIBLE_DEVICES"


def visible(number: int, environ: Mapping[str, str] = os.environ) -> str:
    """The name of a device by its *number* in this process, as far as the environment tells.

    A UUID where it lists UUIDs (also the beginning of one, as CUDA allows); else ``cuda:N`` with the number that the
    device has on the host.
    """
    listed = [entry.strip() for entry in environ.get(_VISIBLE, "").split(",")]
    entry = listed[number] if number < len(listed) else ""
    if entry.startswith(("GPU-", "MIG-")):
        return entry
    return f"cuda:{int(entry) if entry.isdecimal() else number}"


def uuid(cuda: Any, number: int, environ: Mapping[str, str] = os.environ) -> str:
    """The name of a device of ``torch.cuda``: its UUID where PyTorch tells it, which it does since 2.4."""
    try:
        found = getattr(cuda.get_device_properties(number), "uuid", None)
    except RuntimeError:
        # A driver that does not answer: what runs there is told all the same.
        found = None
    return visible(number, environ) if found is None else f"GPU-{found}"
