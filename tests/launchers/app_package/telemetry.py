"""Everything that this program does for its telemetry."""

import inferometer.auto  # noqa: F401 - the one line
