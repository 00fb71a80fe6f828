"""Where minutes come from: the flight recorder, a Prometheus, a file."""
