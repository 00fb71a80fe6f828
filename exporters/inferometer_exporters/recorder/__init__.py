"""The flight recorder: every request of the last hours, as columns in one DuckDB file."""
