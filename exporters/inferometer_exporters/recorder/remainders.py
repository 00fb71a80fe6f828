"""Whole numbers in parts that sum to the whole: the method of largest remainders."""

from collections.abc import Sequence


def split(total: int, weights: Sequence[int]) -> list[int]:
    """*total* in whole parts, in proportion to *weights*.

    Every part is within 1 of its exact share; what rounding down leaves goes to the parts that lost most, the earlier
    first where they lost the same.

    Args:
        total: what is divided; may be negative.
        weights: at least 0.

    Returns:
        A part for each weight; they sum to *total*.

    Raises:
        ValueError: there is something to divide, and no weight to divide it by.
    """
    whole = sum(weights)
    if not whole:
        if total:
            raise ValueError(f"{total} cannot be divided by weights that sum to 0")
        return [0] * len(weights)
    if total < 0:
        return [-part for part in split(-total, weights)]
    shares = [divmod(total * weight, whole) for weight in weights]
    parts = [part for part, _ in shares]
    most = sorted(range(len(shares)), key=lambda index: (-shares[index][1], index))
    for index in most[: total - sum(parts)]:
        parts[index] += 1
    return parts
