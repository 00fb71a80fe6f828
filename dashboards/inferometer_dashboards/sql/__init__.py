"""Panels' questions to the flight recorder, beside their PromQL: the same figures, from every single request.

They read the tables that a view is made of (docs/live.md has them), never the recorder's own. A panel over time answers
``time``, its labels and ``value``; one of numbers or bars its labels and ``value``; a table its labels and a column for
each query, named as the query's legend.
"""
