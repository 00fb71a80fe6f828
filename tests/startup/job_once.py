"""A user's batch job of one unit."""

import time

import inferometer

with inferometer.request("unit"):
    time.sleep(0.3)
