"""The single source of truth: every series, label, stage, span and attribute name, typed, declared once.

Standard library only. Import entries from the module of their subject: ``catalog.requests``, ``catalog.engines``,
``catalog.devices``, ``catalog.hosts``, ``catalog.gpus``, ``catalog.telemetry``, ``catalog.labels``, ``catalog.stages``,
``catalog.spans``; ``catalog.index`` has all series.
"""
