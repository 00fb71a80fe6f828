"""``import inferometer.auto``: record the inference requests of this process.

The one line, before or after any other import. It patches what is imported already and what will be.
"""

from inferometer.switch import on

on()
