"""What Jaeger's UI makes of spans, by its own rules (jaeger-ui 1.76, which Jaeger 2.13 carries): its critical path.

The UI is not in the Jaeger that tests build; these are its rules, written anew, so that what it would show can be told.
"""

from typing import Any

Spans = list[dict[str, Any]]


def critical_path(spans: Spans) -> list[tuple[str, int, int]]:
    """(span id, begin, end) in microseconds, from the last to the first, as the UI draws it.

    From the root it goes to the child that ends last, and from the begin of a child to the next one that ended
    *before* that microsecond: children that touch are skipped. A span whose first reference is a link, to a span that
    is not in the trace, breaks the UI's computation.
    """
    ordered = sorted(spans, key=lambda span: span["startTime"])
    by_id = {span["spanID"]: span for span in ordered}
    parents = {}
    for span in ordered:
        if span["references"]:
            first = span["references"][0]
            assert first["refType"] == "CHILD_OF", f"{span['operationName']} would break the critical path"
            parents[span["spanID"]] = first["spanID"]
    children: dict[str, Spans] = {name: [] for name in by_id}
    for span in ordered:
        parent = by_id.get(parents.get(span["spanID"], ""))
        if parent is not None:
            begin, end = _times(span)
            low, high = _times(parent)
            if begin < high and end > low:
                clipped = {**span, "startTime": max(begin, low), "duration": min(end, high) - max(begin, low)}
                by_id[span["spanID"]] = clipped
                children[parent["spanID"]].append(clipped)
    path: list[tuple[str, int, int]] = []
    # The UI orders spans as a tree; a root begins with its first child.
    span, until = next(span for span in ordered if parents.get(span["spanID"]) not in by_id), None
    while len(path) <= 2 * len(spans):
        begin, end = _times(span)
        left = [child for child in children[span["spanID"]] if until is None or _times(child)[1] < until]
        if left:
            last = max(left, key=lambda child: _times(child)[1])
            path.append((span["spanID"], _times(last)[1], end if until is None else until))
            span, until = last, None
            continue
        path.append((span["spanID"], begin, end if until is None else until))
        if parents.get(span["spanID"]) not in by_id:
            return [section for section in path if section[1] != section[2]]
        span, until = by_id[parents[span["spanID"]]], begin
    raise AssertionError("the path comes back to where it was: span ids are not unique")


def _times(span: dict[str, Any]) -> tuple[int, int]:
    return span["startTime"], span["startTime"] + span["duration"]
