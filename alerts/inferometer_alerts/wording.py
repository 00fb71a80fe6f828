"""An objective in words, as alerts, screens and pages say it."""

from inferometer.fleet import durations
from inferometer.fleet.objective import COUNTED, Sli
from inferometer.fleet.slos import ObjectiveSpec

_LIMITS = {
    Sli.LATENCY: "an answer within {}",
    Sli.TIME_TO_FIRST_CHUNK: "a first result within {}",
    Sli.TIME_TO_FIRST_TOKEN: "a first token within {}",
    Sli.TIME_PER_OUTPUT_TOKEN: "no more than {} per output token",
    Sli.FRESHNESS: "a good answer at least every {}",
}


def promise(spec: ObjectiveSpec) -> str:
    """What is promised: ``an answer within 250ms``."""
    return _of(spec) + "".join(
        f" of {name} {value}"
        for name, value in (("version", spec.scope.version), ("class", spec.scope.request_class))
        if value
    )


def _of(spec: ObjectiveSpec) -> str:
    match spec.sli:
        case Sli.AVAILABILITY:
            return "answers without failure"
        case Sli.GOODPUT:
            limits = " and ".join(_limit(sli, ns) for sli, ns in spec.within)
            return f"answers without failure, with {limits}"
        case Sli.COST_PER_1K:
            return f"no more than ${(spec.usd_per_1k or 0):f} per 1,000 requests"
        case Sli.GPU_AVAILABILITY:
            return "GPUs that are there"
    if spec.stage is not None:
        return f"no more than {durations.render(spec.threshold_ns or 0)} of {spec.stage.label}"
    return _limit(spec.sli, spec.threshold_ns or 0)


def _limit(sli: Sli, ns: int) -> str:
    return _LIMITS[sli].format(durations.render(ns))


def events(spec: ObjectiveSpec) -> str:
    """What is good or bad of it: ``requests``."""
    if spec.sli in COUNTED:
        return "requests"
    return "half minutes of each GPU" if spec.sli is Sli.GPU_AVAILABILITY else "half minutes"
