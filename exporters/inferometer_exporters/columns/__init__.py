"""Frames as columns: what `inferometer.record` does to one record, done to a whole pass at once."""
