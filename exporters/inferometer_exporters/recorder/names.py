"""What the recorder's file is called: for those who look for one without opening it."""

from typing import Final

FILE_NAME: Final = "recorder.duckdb"
