"""Figures as people read them: three digits that matter, the unit beside them."""

import math

UNKNOWN = "\N{EN DASH}"
"""What stands where nobody knows a figure."""


def milliseconds(seconds: float) -> str:
    """``0.31``, ``8.4``, ``143``: milliseconds without their unit."""
    value = seconds * 1e3
    if value >= 99.95:  # noqa: PLR2004 - where one more digit would be a fourth
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 9.95 else f"{value:.2f}"  # noqa: PLR2004 - the same


def duration(seconds: float | None) -> str:
    """``310 µs``, ``21 ms``, ``1.24 s``; a dash where it is unknown."""
    if seconds is None:
        return UNKNOWN
    if seconds < 1e-3:  # noqa: PLR2004 - a millisecond
        return f"{seconds * 1e6:.0f} µs"
    if seconds < 1:
        return f"{seconds * 1e3:.0f} ms" if seconds >= 9.95e-3 else f"{seconds * 1e3:.1f} ms"  # noqa: PLR2004 - as above
    return f"{seconds:.2f} s"


def clock(seconds: float) -> str:
    """``0:07``, ``12:30``: minutes and seconds since the start."""
    whole = max(0, math.floor(seconds))
    return f"{whole // 60}:{whole % 60:02d}"


def percent(ratio: float | None, *, digits: int = 0) -> str:
    """``97 %``; never 100 % for what is less, nor 0 % for what is more."""
    if ratio is None:
        return UNKNOWN
    text = f"{100 * ratio:.{digits}f}"
    step = 10.0**-digits
    if ratio < 1 and float(text) >= 100:  # noqa: PLR2004 - percent
        text = f"{100 - step:.{digits}f}"
    if ratio > 0 and float(text) == 0:
        return f"< {step:.{digits}f} %"
    return f"{text} %"


def dollars(usd: float | None) -> str:
    """``$0.0019``, ``$12.30``, ``$0.0000061``: two digits that matter, no exponent."""
    if usd is None:
        return UNKNOWN
    if usd == 0:
        return "$0"
    places = max(2, 1 - math.floor(math.log10(abs(usd))))
    return f"${usd:,.{places}f}"
