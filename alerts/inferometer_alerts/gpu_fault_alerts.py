"""Alerts on what a GPU reports itself: XIDs by what they ask for, memory errors, errors of its links.

XIDs are counted one by one by the sidecar, so a repeated one rises; the driver's own gauge holds the last code for
ever and would not show it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from inferometer import promql
from inferometer.catalog import gpus
from inferometer.catalog.labels import DEVICE, ECC_KIND, LINK_ERROR, XID
from inferometer.fleet import durations
from inferometer.promql import Expr, Matcher
from inferometer_alerts.rule import Alert, Board, Case, Severity
from inferometer_alerts.rule_labels import INSTANCE
from inferometer_alerts.rule_series import Scraped
from inferometer_alerts.time_scale import TimeScale

_GPU: Final = promql.equal(DEVICE, "GPU-0b5b1c4e")
CRC_PER_SECOND: Final = 100
"""Wrong sums on NVLinks from which they matter: the limit of DCGM's own health watch, which fails a GPU beyond it, and
at the first replay or recovery within a minute."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _XidClass:
    """XIDs that ask for the same: NVIDIA's catalogue of XID errors says what each means."""

    alert: str
    codes: tuple[str, ...]
    severity: Severity
    window: str
    description: str
    example: str


XID_CLASSES: Final = (
    _XidClass(
        alert="GpuXidFatal",
        # Double-bit ECC, halted microcontroller, failed retirement, off the bus, uncontained ECC, GSP (twice), ECC.
        codes=("48", "62", "64", "79", "95", "119", "120", "140"),
        severity=Severity.PAGE,
        window="1h",
        description=(
            "The driver reports an error after which nothing runs on this GPU until it is reset, its host is "
            "rebooted, or the board is replaced."
        ),
        example="79",
    ),
    _XidClass(
        alert="GpuXidNvlink",
        codes=("74",),
        severity=Severity.PAGE,
        window="1h",
        description=(
            "The driver reports an error of an NVLink. What runs on several GPUs at once hangs or ends; the GPUs on "
            "both ends need a reset."
        ),
        example="74",
    ),
    _XidClass(
        alert="GpuXidMemory",
        # Rows set aside, many corrected errors, a contained error.
        codes=("63", "92", "94"),
        severity=Severity.TICKET,
        window="1h",
        description=(
            "The driver sets faulty memory aside, or ended the program that used it. The GPU works on; spare rows "
            "are taken into use at its next reset."
        ),
        example="63",
    ),
)
_NAMED: Final = tuple(code for of_class in XID_CLASSES for code in of_class.codes)
FATAL: Final = tuple(one.alert for one in XID_CLASSES if one.severity is Severity.PAGE)
"""Alerts after which nothing runs on a GPU."""


def alerts(scale: TimeScale) -> Iterator[Alert]:
    """A GPU that reports errors: of itself, of its memory, of its links."""
    for of_class in XID_CLASSES:
        yield _xid(of_class, scale)
    yield _xid_error(scale)
    yield _ecc(scale)
    yield _links(scale)


def _of_xid(code: str) -> str:
    return promql.select(gpus.GPU_XID_ERRORS, _GPU, promql.equal(XID, code)).text


def _xid(of_class: _XidClass, scale: TimeScale) -> Alert:
    errors = promql.select(gpus.GPU_XID_ERRORS, promql.one_of(XID, of_class.codes))
    others = {_of_xid(code): "0x20 1x20" for code in ("13", *_NAMED) if code not in of_class.codes}
    return Alert(
        name=of_class.alert,
        # Two may tell of one device; it does not have twice as many.
        expr=promql.max_by(promql.increase(errors, scale.over(of_class.window)), DEVICE, XID) > 0,
        severity=of_class.severity,
        summary="GPU {{ $labels.device }} reports XID {{ $labels.xid }}, {{ $value | humanize }} in the last hour.",
        description=of_class.description,
        board=Board.GPU,
        variables=(DEVICE,),
        cases=(
            *(
                Case(series={_of_xid(code): "0x20 1x20"}, only=(_GPU,), fires=("6m",), quiet=("4m",))
                for code in of_class.codes
            ),
            Case(series=others, quiet=("6m",)),
            Case(series={_of_xid(of_class.example): "0x20 1x270"}, fires=("1h3m",), quiet=("1h8m",)),
            # The second one counts like the first; a sidecar without its state is no error.
            Case(series={_of_xid(of_class.example): "1x300 2x100"}, fires=("1h17m",), quiet=("1h14m",)),
            Case(series={_of_xid(of_class.example): "3x20 0x100"}, quiet=("4m", "6m")),
        ),
    )


def _xid_error(scale: TimeScale) -> Alert:
    rest = Matcher(XID, "!~", promql.one_of(XID, _NAMED).value)
    errors = promql.increase(promql.select(gpus.GPU_XID_ERRORS, rest), scale.over("10m"))
    return Alert(
        name="GpuXidError",
        expr=promql.max_by(errors, DEVICE, XID) > 0,
        severity=Severity.TICKET,
        summary="GPU {{ $labels.device }} reports XID {{ $labels.xid }}, {{ $value | humanize }} in the last 10m.",
        description=(
            "The driver reports an error that a program on this GPU usually causes: a fault in memory access or a "
            "channel that was taken down."
        ),
        board=Board.GPU,
        variables=(DEVICE,),
        cases=(
            Case(series={_of_xid("31"): "0x20 1x100"}, fires=("6m", "14m"), quiet=("4m", "20m")),
            Case(series={_of_xid(code): "0x20 1x100" for code in _NAMED}, quiet=("6m",)),
            Case(series={_of_xid("31"): "3x20 0x100"}, quiet=("4m", "6m")),
        ),
    )


def _ecc(scale: TimeScale) -> Alert:
    uncorrected = promql.select(gpus.GPU_ECC_ERRORS, promql.equal(ECC_KIND, "uncorrected"))

    def series(kind: str) -> str:
        return promql.select(gpus.GPU_ECC_ERRORS, _GPU, promql.equal(ECC_KIND, kind)).text

    return Alert(
        name="GpuEccUncorrected",
        expr=promql.max_by(promql.increase(uncorrected, scale.over("10m")), DEVICE) > 0,
        severity=Severity.TICKET,
        summary=("Memory of GPU {{ $labels.device }} had {{ $value | humanize }} errors that could not be corrected."),
        description=(
            "In the last 10m. What ran there was ended or has wrong numbers; the driver sets the rows aside, as far "
            "as there are spare ones."
        ),
        board=Board.GPU,
        variables=(DEVICE,),
        cases=(
            Case(
                series={series("uncorrected"): "0x20 1x100", series("corrected"): "0x120"},
                fires=("6m", "14m"),
                quiet=("4m", "20m"),
            ),
            Case(series={series("uncorrected"): "0x120", series("corrected"): "0+5x120"}, quiet=("20m",)),
            # The driver counts from 0 again after it was loaded anew.
            Case(series={series("uncorrected"): "7x20 0x100"}, quiet=("4m", "6m")),
        ),
    )


def _links(scale: TimeScale) -> Alert:
    window = scale.over("10m")

    def more(*errors: str) -> Expr:
        of = promql.select(gpus.GPU_NVLINK_ERRORS, promql.one_of(LINK_ERROR, errors))
        return promql.max_by(promql.increase(of, window), DEVICE, LINK_ERROR)

    too_many = CRC_PER_SECOND * durations.parse(window) // durations.parse("1s")
    return Alert(
        name="GpuNvlinkErrors",
        expr=promql.either(more("replay", "recovery", "link_down") > 0, more("crc_flit", "crc_data") > too_many),
        severity=Severity.TICKET,
        summary="NVLinks of GPU {{ $labels.device }} had {{ $value | humanize }} errors ({{ $labels.error }}).",
        description=(
            "In the last 10m. A link sent again, was trained anew or stays down: what runs on several GPUs at once "
            "waits for it, and hangs when it stays down. Wrong sums alone are repaired, until there are too many."
        ),
        board=Board.GPU,
        variables=(DEVICE,),
        cases=(
            *(
                Case(series={_of_link(error): "0x20 1x100"}, fires=("6m", "14m"), quiet=("4m", "20m"))
                for error in ("replay", "recovery", "link_down")
            ),
            Case(series={_of_link("replay"): "3x20 0x100"}, quiet=("4m", "6m")),
            # 107 a second, and 93 of each kind.
            *(Case(series={_of_link(error): "0+1600x160"}, fires=("30m",)) for error in ("crc_flit", "crc_data")),
            Case(series={_of_link(error): "0+1400x160" for error in ("crc_flit", "crc_data")}, quiet=("30m",)),
            Case(series={_of_link("crc_data"): "0+16000x8 128000x152"}, fires=("8m",), quiet=("15m",)),
            # Two tell of the same GPU.
            Case(
                series={
                    _of_link("crc_flit", promql.equal(INSTANCE, each)): "0+800x160" for each in ("a:9464", "b:9464")
                },
                quiet=("30m",),
            ),
        ),
    )


def _of_link(error: str, *more: Matcher) -> str:
    return promql.select(Scraped(gpus.GPU_NVLINK_ERRORS), _GPU, promql.equal(LINK_ERROR, error), *more).text
