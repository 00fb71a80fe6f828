"""The board *Batching & queues*: where do requests wait, do batches help, and is there room for more?"""

from inferometer.catalog.labels import MODEL, SERVICE
from inferometer.catalog.requests import REQUESTS
from inferometer_alerts.rule import Board as Uid
from inferometer_dashboards.boards import batching, queue_places, saturation, waiting
from inferometer_dashboards.panels import Board, Variable


def queues() -> Board:
    """Waiting time by queue, batches by size and reason, replicas and what they have left."""
    return Board(
        uid=Uid.QUEUES,
        title="Batching and queues",
        description="Where do requests wait, do batches help, and is there room for more?",
        variables=(
            Variable(label=SERVICE, family=REQUESTS),
            Variable(label=MODEL, family=REQUESTS, within=(SERVICE,)),
        ),
        rows=(waiting.now(), waiting.times(), queue_places.places(), batching.batches(), saturation.room()),
    )
