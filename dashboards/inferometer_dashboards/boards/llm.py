"""The board *LLM serving*: how fast do answers begin and flow, and what is the engine's room?"""

from inferometer.catalog.labels import MODEL, SERVICE
from inferometer.catalog.requests import REQUESTS
from inferometer.fleet.model import Fleet
from inferometer_alerts.rule import Board as Uid
from inferometer_dashboards.boards import llm_engines, llm_scheduler, llm_tokens
from inferometer_dashboards.panels import Board, Variable


def serving(fleet: Fleet) -> Board:
    """Tokens as users see them, and the engine behind them; of our own requests and of engines' pages alike."""
    return Board(
        uid=Uid.LLM,
        title="LLM serving",
        description=(
            "How fast do answers begin and flow, and what room has the engine? Series of instrumented services and "
            "of engines' own pages have the same names; what an engine cannot say is said beside each panel."
        ),
        variables=(
            Variable(label=SERVICE, family=REQUESTS),
            Variable(label=MODEL, family=REQUESTS, within=(SERVICE,)),
        ),
        rows=(
            llm_tokens.first(),
            llm_tokens.flow(),
            llm_tokens.throughput(),
            llm_scheduler.scheduler(),
            llm_scheduler.caches(),
            llm_scheduler.steps(),
            llm_engines.who(fleet),
        ),
    )
