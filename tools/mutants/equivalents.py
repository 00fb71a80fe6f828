"""Mutants that change nothing that anybody could see, each with the reason; a listed one that dies is an error."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from mutants.mutation import Mutant
from mutants.proofs import Place


@dataclass(frozen=True, slots=True)
class Equivalent:
    """A family of mutants: of which rules, which kind and change (both regular expressions), and why they are right."""

    file: str
    name: str
    kind: str
    change: str
    why: str

    def fits(self, place: Place, name: str, mutant: Mutant) -> bool:
        """Whether a mutant of a rule of that name is one of them."""
        patterns = ((self.name, name), (self.kind, mutant.kind), (self.change, mutant.change))
        return self.file == place[0] and all(re.fullmatch(pattern, text) for pattern, text in patterns)


LISTED: Final[Sequence[Equivalent]] = (
    Equivalent(
        "slo", "slo:(objective:ratio|error_budget:ratio|period:seconds)", "aggregation", "sum -> max",
        "slo:info has one element per SLO",
    ),
    Equivalent(
        "slo", "slo:(objective:ratio|error_budget:ratio|period:seconds)", "grouping label", "by without objective",
        "the rule's own label sets it again",
    ),
    Equivalent(
        "slo", "slo:(objective:ratio|error_budget:ratio|period:seconds)", "label", "without objective",
        "the elements carry it already; written out, it tells two rules apart",
    ),
    Equivalent(
        "slo", "slo:(events:increase|bad_events:increase|burn_rate:ratio).*", "matcher", "without objective=.*",
        "the window is recorded of objectives too that no leg watches there, and nobody reads that",
    ),
    Equivalent(
        "slo", "slo:(events|bad_events):(increase.*|tile)", "calculation", r"\* -> /",
        "slo:info, which gives the objective, is 1",
    ),
    Equivalent(
        "slo", "InferenceBudgetBurn(Page|Ticket)", "matcher", "without objective=.*",
        "the other sides of its `and`, which match all labels, still choose the objective",
    ),
    Equivalent(
        "slo", "InferenceBudgetBurn(Page|Ticket)", "label", "without objective",
        "the elements carry it already; written out, it tells two alerts apart",
    ),
    Equivalent(
        "slo", "slo:(events|bad_events):tile", "number", "0 -> 1",
        "what one of the two ways to count leaves out for having no event, the other one finds",
    ),
    Equivalent(
        "cost", "(fleet|tenant|model):cost_per_1k_usd(_by_tenant)?:(marginal|loaded)1h", "number", "0 -> 1",
        "requests are whole: more than 0 of them are at least 1",
    ),
    Equivalent(
        "cost", "device:(bill|idle)_usd:increase1h", "aggregation", "sum -> max",
        "one sidecar keeps a device's ledger",
    ),
    Equivalent(
        "cost", "model:cost_per_1k_usd_by_tenant:loaded1h", "aggregation", "sum -> max",
        "what it adds up has one element per service, model and tenant",
    ),
    Equivalent(
        "models", "model:.*:quantile5m", "function", "rate -> increase",
        "a quantile does not depend on how many times as many requests there are",
    ),
    Equivalent(
        "causes", "(InferenceBatchStuck|AlertingRulesFail|AlertingUndelivered|InferometerDropping)",
        "(function|aggregation)", "(increase -> rate|sum -> max|max -> sum)",
        "it is only compared with 0; proofs look at whether it fires, not at the number in its summary",
    ),
    Equivalent(
        "devices", "(GpuXid.*|GpuEccUncorrected|InferenceDeviceTrouble|DeviceUnpriced)",
        "(function|aggregation)", "(increase -> rate|max -> sum)",
        "it is only compared with 0; proofs look at whether it fires, not at the number in its summary",
    ),
    Equivalent(
        "devices", "GpuMigInstanceGone", "(function|aggregation)", "(increase -> rate|sum -> max)",
        "it is only compared with 0",
    ),
    Equivalent(
        "devices", "(GpuLost|GpuMigInstanceGone)", "function", "max_over_time -> min_over_time",
        "it is only asked whether there was a value",
    ),
    Equivalent(
        "devices", "GpuNvlinkErrors", "matcher", 'without error=~"crc_.*',
        "the other errors are on the left of its `or` already",
    ),
    Equivalent(
        "devices", "DeviceIdleButBilled", "aggregation", "max -> sum",
        "what it adds up has one element per device",
    ),
    Equivalent(
        "engines", "(InferenceKvCachePressure|InferenceAdmissionStalled)", "function", "increase -> rate",
        "it is only compared with 0",
    ),
    Equivalent(
        "engines", "(InferenceKvCachePressure|InferenceAdmissionStalled)", "aggregation", "sum -> max",
        "it is only compared with 0",
    ),
    Equivalent(
        "engines", "Inference(Engine|Replica)Down", "aggregation", "max -> sum",
        "it is only compared with 0",
    ),
    Equivalent(
        "causes", "(InferenceErrorSpike|InferenceQueueSaturated)", "matcher", "without (outcome|stage)=.*",
        "the other side of its `and`, which matches that label too, still chooses",
    ),
    Equivalent(
        "causes", "InferenceBudget(Exhausted|Forecast|Low)", "matcher", "without objective=.*",
        "the other sides of its `and`, which match all labels, still choose the objective",
    ),
    Equivalent(
        "causes", "InferenceBudget(Exhausted|Forecast|Low)", "label", "without objective",
        "the elements carry it already; written out, it tells two alerts apart",
    ),
    Equivalent(
        "causes", "InferometerHeartbeat", "number", "1 -> .*",
        "it fires always, whatever its value",
    ),
    Equivalent(
        "slo", "slo:(burn_rate:ratio.*|budget_left:ratio)", "number", "0 -> 1",
        "events are whole: more than 0 of them are at least 1, and of a single one no leg makes a trend",
    ),
)  # fmt: skip


def listed(place: Place, name: str, mutant: Mutant) -> Equivalent | None:
    """The entry that says why a mutant of a rule of that name is right, if there is one."""
    return next((entry for entry in LISTED if entry.fits(place, name, mutant)), None)
