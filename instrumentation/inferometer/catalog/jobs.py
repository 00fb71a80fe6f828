"""Names of what is no web request: messages of a queue, batch jobs, invocations of a function."""

from typing import Final

JOB: Final = "JOB"
"""Value of the method of a request that the application itself opened; its route is the name it gave."""
