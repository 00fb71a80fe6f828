"""A model server in Flask, under any WSGI server.

::

    gunicorn --chdir examples --workers 2 flask_app:app
    curl -s 127.0.0.1:8000/predict -H 'content-type: application/json' -d '{"numbers": [1, 2, 3]}'
"""

import statistics

from flask import Flask, request

import inferometer
import inferometer.auto  # that is all; the marks below add what only the application knows

app = Flask(__name__)


@app.post("/predict")
def predict() -> dict[str, float]:
    """The model: mean and spread."""
    numbers = request.get_json()["numbers"]
    inferometer.annotate(model="summary")
    with inferometer.stage("execute"):
        return {"mean": statistics.fmean(numbers), "spread": statistics.pstdev(numbers)}
