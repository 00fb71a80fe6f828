"""What is wrong with generated rules before any of them runs: every expression is parsed and followed label by label.

The checks are those of pint, promruval and mixtool that apply to rules made from a catalogue, without a server:

- expressions: series and labels that nobody declares, selectors of everything, rates of gauges and of too few samples,
  counters that are compared or added up raw, labels that an aggregation or a match does not have or that get lost
  before somebody uses them, vectors that never match, divisions that may be by zero, ``absent()`` of what is no plain
  series, regular expressions that are none;
- alerts: no comparison, labels that a template or a link uses and the alert has not, nothing left of the labels that
  say what is meant, no hold where a series is absent, a name, summary or description that breaks the conventions;
- groups: rules that say the same twice, records whose labels are not the declared ones, names that are too long.

Not applied: summaries without values (ours have them on purpose), at most twenty alerts in a group (alerts stand behind
the rules that they read), and what needs a running Prometheus.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from inferometer_alerts.lint.findings import Finding
from inferometer_alerts.lint.known import Known
from inferometer_alerts.lint.rules import of_file
from inferometer_alerts.rule import Group
from inferometer_alerts.time_scale import TimeScale

__all__ = ["Finding", "Known", "findings"]

PRODUCTION: Final = TimeScale()


def findings(files: Mapping[str, tuple[Group, ...]], scale: TimeScale = PRODUCTION) -> Iterator[Finding]:
    """Everything that is wrong with the rules of some files, which were made with a time scale."""
    known = Known.of(files)
    for name, groups in files.items():
        yield from of_file(name, groups, known, scale)
