"""Frames of another kernel on this kernel's clock."""

from dataclasses import replace

import numpy as np

from inferometer.wire.frame import Frame
from inferometer.wire.layout import BY_SECTION, CLOCKED
from inferometer_exporters.columns.tables import DTYPES


def translated(frame: Frame, shift_ns: int) -> Frame:
    """The same frame with every stamp moved by *shift_ns*; wall times and lengths stay, and so does 0 (unknown)."""
    tables = dict(frame.tables)
    for section, names in CLOCKED.items():
        rows = tables.get(section)
        if not rows:
            continue
        whole = len(rows) - len(rows) % BY_SECTION[section].size
        columns = np.frombuffer(rows[:whole], DTYPES[section]).copy()
        for name in names:
            stamps = columns[name]
            # A moment from before this kernel started would be negative: it is our clock's first.
            columns[name] = np.where(stamps == 0, 0, np.maximum(stamps + shift_ns, 1))
        tables[section] = columns.tobytes()
    return replace(frame, monotonic_ns=max(frame.monotonic_ns + shift_ns, 1), tables=tables)
