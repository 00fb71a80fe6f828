"""Headers of W3C Trace Context and Server-Timing: strict in what is read, hostile bytes are harmless."""

from typing import Final

MEMBER: Final = "inferometer"
"""Our key in ``tracestate`` and our metric in ``Server-Timing``."""
OURS: Final = f"{MEMBER}=1"
"""The ``tracestate`` of a call that carries nobody else's."""
TRACEPARENT: Final = "traceparent"
TRACESTATE: Final = "tracestate"
SERVER_TIMING: Final = "server-timing"

_HEX: Final = frozenset(b"0123456789abcdef")
_LENGTH: Final = 55
_NS_PER_MS: Final = 10**6
_LONGEST_MS: Final = 86_400_000
_MAX_STATE: Final = 512
"""Characters of a tracestate that must be kept, by the specification; a longer one of strangers is dropped."""
_MAX_MEMBERS: Final = 32
_MAX_TIMING: Final = 8192


def parse_traceparent(value: bytes) -> tuple[int, int, int, int] | None:
    """(trace id high, low, parent span id, flags) of a ``traceparent``; None where it is not valid.

    Versions above 00 may carry more fields after a dash; what we know of them is the same.
    """
    if len(value) < _LENGTH or value[2] != 45 or value[35] != 45 or value[52] != 45:  # noqa: PLR2004 - dashes
        return None
    digits = value[:2] + value[3:35] + value[36:52] + value[53:55]
    if not _HEX.issuperset(digits):
        return None
    version = digits[:2]
    if version == b"ff" or (len(value) > _LENGTH and (version == b"00" or value[55] != 45)):  # noqa: PLR2004 - a hyphen
        return None
    high, low, parent = int(digits[2:18], 16), int(digits[18:34], 16), int(digits[34:50], 16)
    if not (high or low) or not parent:
        return None
    return high, low, parent, int(digits[50:52], 16)


def format_traceparent(trace_hi: int, trace_lo: int, span_id: int, *, sampled: bool) -> str:
    """A ``traceparent`` of version 00."""
    return f"00-{trace_hi:016x}{trace_lo:016x}-{span_id:016x}-{1 if sampled else 0:02x}"


def is_ours(tracestate: bytes) -> bool:
    """Whether a caller that is instrumented by inferometer sent this ``tracestate``."""
    if len(tracestate) > _MAX_STATE * 4:
        return False
    return any(member.strip().startswith(b"inferometer=") for member in tracestate.split(b","))


def outgoing_state(incoming: bytes) -> str:
    """The ``tracestate`` to send on: our member first, then those of others, as they came."""
    try:
        text = incoming.decode("ascii")
    except UnicodeDecodeError:
        text = ""
    if len(text) > _MAX_STATE or not text.isprintable():
        text = ""
    members = (member.strip() for member in text.split(","))
    others = [member for member in members if "=" in member and not member.startswith(f"{MEMBER}=")]
    return ",".join([OURS, *others[: _MAX_MEMBERS - 1]])


def server_timing(duration_ns: int) -> bytes:
    """The ``Server-Timing`` that tells an instrumented caller our time to the response's head."""
    whole, rest = divmod(max(duration_ns, 0), _NS_PER_MS)
    return b"%s;dur=%d.%06d" % (MEMBER.encode(), whole, rest)


def parse_server_timing(value: str) -> int:
    """A callee's own time in ns; 0 where the header does not carry our metric or it is not a duration."""
    if len(value) > _MAX_TIMING:
        return 0
    for metric in value.split(","):
        name, *parameters = metric.split(";")
        if name.strip() != MEMBER:
            continue
        for parameter in parameters:
            key, _, number = parameter.partition("=")
            if key.strip().lower() == "dur":
                return _milliseconds(number.strip().strip('"'))
    return 0


def _milliseconds(text: str) -> int:
    whole, _, fraction = text.partition(".")
    if not text.isascii() or not whole.isdigit() or (fraction and not fraction.isdigit()) or len(whole) > 8:  # noqa: PLR2004 - a day and more
        return 0
    ns = int(whole) * _NS_PER_MS + int(fraction[:6].ljust(6, "0") or 0)
    return ns if ns <= _LONGEST_MS * _NS_PER_MS else 0
