"""Columns as bytes and back, for the state file: a line of JSON that names them, then their memory."""

import json

import numpy as np

from inferometer.errors import StateError
from inferometer_exporters.columns.tables import Columns

_END = b"\n"


def pack(columns: Columns) -> bytes:
    """The bytes of *columns*."""
    head = [[name, column.dtype.str, list(column.shape)] for name, column in columns.items()]
    return b"".join([json.dumps(head).encode(), _END, *(column.tobytes() for column in columns.values())])


def unpack(data: bytes) -> Columns:
    """What `pack` made bytes of.

    Raises:
        StateError: the bytes are not as `pack` writes them.
    """
    head, _, body = data.partition(_END)
    columns: Columns = {}
    offset = 0
    try:
        for name, kind, shape in json.loads(head):
            dtype = np.dtype(kind)
            count = int(np.prod(shape))
            columns[name] = np.frombuffer(body, dtype, count, offset).reshape(shape).copy()
            offset += count * dtype.itemsize
    except (TypeError, ValueError) as error:
        raise StateError(f"columns of the state are not as the sidecar writes them: {error}") from error
    return columns
