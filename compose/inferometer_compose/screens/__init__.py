"""What the terminal shows: pure functions from figures to lines."""
