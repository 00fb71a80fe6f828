"""The boards, one function each: which question it answers, and its panels from the general to the particular."""

from inferometer.fleet.model import Fleet
from inferometer_dashboards.boards.cold_start import cold_starts
from inferometer_dashboards.boards.cost import cost
from inferometer_dashboards.boards.engine_notes import noted
from inferometer_dashboards.boards.fleet import overview
from inferometer_dashboards.boards.gpu import health
from inferometer_dashboards.boards.itself import itself
from inferometer_dashboards.boards.llm import serving
from inferometer_dashboards.boards.model import latency
from inferometer_dashboards.boards.queues import queues
from inferometer_dashboards.boards.request import one_request
from inferometer_dashboards.boards.slo import promises
from inferometer_dashboards.boards.versions import versions
from inferometer_dashboards.panels import Board


def boards(fleet: Fleet) -> tuple[Board, ...]:
    """Every board of a fleet, in the order in which people open them."""
    made = (
        overview(fleet),
        latency(fleet),
        one_request(),
        promises(fleet),
        versions(),
        cost(fleet),
        health(),
        queues(),
        serving(fleet),
        cold_starts(),
        itself(),
    )
    return tuple(noted(board, fleet) for board in made)
