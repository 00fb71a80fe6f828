"""A small model that plain servers serve: the nearest of three centroids of Fisher's irises; nothing of inferometer."""

import math
import time

CENTROIDS = ((5.006, 3.428, 1.462, 0.246), (5.936, 2.770, 4.260, 1.326), (6.588, 2.974, 5.552, 2.026))
"""Means of sepal length and width, petal length and width, in cm, of the 50 flowers of each species."""
FEATURES = 4


def classify(row):
    """Number of the nearest species; a fifth number says how many seconds it takes, and anything else is a bug."""
    time.sleep(row[FEATURES] if len(row) > FEATURES else 0)
    if len(row) < FEATURES:
        raise ValueError(f"{len(row)} features of {FEATURES}")
    distances = [math.dist(row[:FEATURES], centroid) for centroid in CENTROIDS]
    return distances.index(min(distances))
