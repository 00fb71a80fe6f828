"""Series of billed devices: what their time went to, and what it costs."""

from typing import Final

from inferometer.catalog.labels import AS_OF, DAY, DEVICE, DEVICE_STATE, NODE, PRICE_KIND, PRICE_SOURCE
from inferometer.catalog.model import Counter, Gauge, Info, Unit

LEDGER: Final = Counter(
    name="device_ledger_seconds_total",
    unit=Unit.SECONDS,
    help="Wall time of a billed device by what it did; the states sum to wall time times devices.",
    labels=(DEVICE, DEVICE_STATE),
)
LEDGER_RESIDUAL: Final = Gauge(
    name="device_ledger_residual_ratio",
    unit=Unit.RATIO,
    help="What the ledger's states miss of wall time; 0 when it adds up.",
    labels=(DEVICE,),
)
LEDGER_ENERGY: Final = Counter(
    name="device_ledger_energy_joules_total",
    unit=Unit.JOULES,
    help="Energy that a billed device used by what it did; absent where nobody reads its energy.",
    labels=(DEVICE, DEVICE_STATE),
)
BILL: Final = Counter(
    name="device_bill_usd_total",
    unit=Unit.USD,
    help="What the device cost: price times wall time.",
    labels=(DEVICE,),
)
IDLE_COST: Final = Counter(
    name="device_idle_cost_usd_total",
    unit=Unit.USD,
    help="Part of the bill that no request and no system work used.",
    labels=(DEVICE,),
)
PRICE: Final = Gauge(
    name="device_price_usd_per_hour", unit=Unit.USD_PER_HOUR, help="Price of the device.", labels=(DEVICE,)
)
PRICE_INFO: Final = Info(
    name="device_price_info",
    unit=Unit.COUNT,
    help="Source, date and kind of the device's price.",
    labels=(DEVICE, PRICE_SOURCE, AS_OF, PRICE_KIND),
)
PRICE_AS_OF: Final = Gauge(
    name="device_price_as_of_timestamp_seconds",
    unit=Unit.SECONDS,
    help="Date of the device's price, since the epoch.",
    labels=(DEVICE,),
)
NODE_GPU_COST: Final = Gauge(
    # OpenCost's name, so that boards made for it work; its unit is US dollars per hour and GPU.
    name="node_gpu_hourly_cost",
    unit=Unit.COUNT,
    help="OpenCost's series: US dollars per hour of one GPU of the host, the mean of its GPUs.",
    labels=(NODE,),
)
BILL_CORRECTION: Final = Gauge(
    name="device_bill_correction_usd",
    unit=Unit.USD,
    help="What the provider billed for the device and day more than `device_bill_usd_total` rose; negative if less.",
    labels=(DEVICE, DAY),
)
BILL_RATIO: Final = Gauge(
    name="device_bill_correction_ratio",
    unit=Unit.RATIO,
    help="What the provider billed for the device by what the ledger says, over the days that have a correction.",
    labels=(DEVICE,),
)
UNPRICED: Final = Counter(
    name="device_unpriced_seconds_total",
    unit=Unit.SECONDS,
    help="Wall time of a device that no price matches; its requests cost nothing that we know of.",
    labels=(DEVICE,),
)
