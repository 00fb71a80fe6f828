"""``python -m inferometer_compose`` is ``inferometer``."""

from inferometer_compose.cli import main

main()
