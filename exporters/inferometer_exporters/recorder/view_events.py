"""The table of a view that is made of objectives."""

from inferometer.fleet.thresholds import Thresholds
from inferometer_exporters.recorder.levels import judged
from inferometer_exporters.recorder.reading import SECOND
from inferometer_exporters.recorder.view_steps import Steps


def events(steps: Steps, thresholds: Thresholds) -> None:
    """Make `events`: good and bad ones of each objective, by step."""
    steps.do(
        """
        create or replace temp table events
        (time DOUBLE, lasted DOUBLE, service VARCHAR, model VARCHAR, slo VARCHAR, objective VARCHAR, sli VARCHAR,
         threshold_seconds DOUBLE, target_ratio DOUBLE, period_seconds DOUBLE, good BIGINT, bad BIGINT)
        """
    )
    chosen = steps.span.chosen
    for place, objective in enumerate(thresholds.objectives):
        named = {"service": objective.service, "model": objective.model}
        if any(chosen.get(name) and chosen[name] != text for name, text in named.items()):
            continue
        raw, values = judged(place, objective, steps.span.step_ns, steps.raw)
        threshold = objective.threshold_ns
        facts: dict[str, object] = {
            "of_service": objective.service,
            "of_model": objective.model,
            "slo": objective.slo,
            "named": objective.name,
            "sli": objective.sli.value,
            "threshold": None if threshold is None else threshold / SECOND,
            "target": float(objective.target) / 100,
            "period": objective.window_ns / SECOND,
        }
        steps.do(
            f"""
            insert into events
            select {steps.time}, {steps.lasted}, $of_service, $of_model, $slo, $named, $sli, $threshold, $target,
                   $period, sum(good), sum(bad)
            from ({steps.merged("verdicts", raw)}) where objective = {place} group by bucket
            """,  # noqa: S608 - constants; values are parameters
            **facts,
            **values,
        )
