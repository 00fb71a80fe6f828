"""Real requests for the demo fleet at a bounded rate, with a count of its own."""
