"""``inferometer dashboards push``."""

import json as json_module
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from inferometer.access import Token
from inferometer.fleet.loader import load
from inferometer_alerts.time_scale import TimeScale
from inferometer_compose.commands.console import screen
from inferometer_compose.commands.errors import FOUND_SOMETHING, say
from inferometer_compose.pushing.boards import Done, push
from inferometer_compose.pushing.grafana import Grafana
from inferometer_compose.screens.columns import plain
from inferometer_dashboards import grafana
from inferometer_dashboards.boards import boards
from inferometer_dashboards.provisioning import FOLDER_UID

FOLDER: Final = (FOLDER_UID, "Inferometer")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the command line said."""

    config: Path
    url: str
    token_file: Path
    overwrite: bool
    check: bool
    json: bool


def run(options: Options) -> int:
    """Push every board; 1 where a board of a person was kept, or with ``check`` where anything would be written.

    Raises:
        FleetError: the fleet file is wrong; nothing is written.
        RefusedError: Grafana or the token.
    """
    fleet = load(options.config)
    made = [json_module.loads(grafana.dumps(board, fleet.links, note=TimeScale(1).note)) for board in boards(fleet)]
    there = Grafana(options.url, Token.read(options.token_file))
    pushed = []
    console = screen()
    for one in push(there, made, folder=FOLDER, overwrite=options.overwrite, check=options.check):
        pushed.append(one)
        if not options.json:
            why = f"  {plain(one.why)}" if one.why else ""
            console.print(f"{one.done:10} {one.title:24} {there.url}/d/{one.uid}{why}", markup=False)
    if options.json:
        sys.stdout.write(json_module.dumps({"boards": [asdict(one) for one in pushed]}) + "\n")
    if any(one.done is Done.KEPT for one in pushed):
        say("boards that people changed are kept: --overwrite writes over them")
        return FOUND_SOMETHING
    return FOUND_SOMETHING if options.check and any(one.done is not Done.SAME for one in pushed) else 0
