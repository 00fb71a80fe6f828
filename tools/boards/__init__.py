"""Proof of the boards without Grafana: every query of every board, run on a real Prometheus that holds what is known.

    PYTHONPATH=tools .venv/bin/python -m boards            the table board x panels x queries x non-empty
    PYTHONPATH=tools .venv/bin/python -m boards docs/boards.md      the same, written into the page

`history` lets the real sidecar's pipeline live through an hour of records in virtual time, `rules` evaluates
the generated rules over it, `targets` runs the boards as Grafana would.
"""
