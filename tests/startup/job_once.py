"""A user's batch job: it waits for nobody, its first unit is its first request."""

import time

import inferometer

with inferometer.request("unit"):
    time.sleep(0.3)
