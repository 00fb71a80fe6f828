"""Pages of other exporters: fetched within a deadline and a size, and read."""
