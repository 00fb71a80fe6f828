"""The Intake: takes frames of many workers in, once each, and drives a pipeline of consumers in durable passes.

``server`` listens and acknowledges, ``passes`` is the loop that loses nothing and takes nothing twice, ``state`` the
file at its commit point, ``pipeline`` the seam to what happens with the records, ``roster``, ``open_requests`` and
``worker_series`` what is known of each worker, ``keep`` and ``hold`` which traces are kept, ``local``,
``local_pipeline`` and ``local_traces`` the Intake that an elected worker holds where there is no sidecar.
"""

from inferometer.intake.pipeline import Arrival, Pipeline, WorkerInfo

__all__ = ["Arrival", "Pipeline", "WorkerInfo"]
