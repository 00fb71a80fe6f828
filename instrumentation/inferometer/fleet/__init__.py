"""fleet.yaml: which services and models there are, what they promise, what their devices cost, who is told.

``fleet.loader`` reads and checks the file (it needs the extra ``generate``); ``fleet.model`` is what it yields.
``fleet.thresholds`` is the part that a worker and the sidecar need, as JSON, read with the standard library only.
"""
