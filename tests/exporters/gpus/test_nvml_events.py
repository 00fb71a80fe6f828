"""Errors that the driver tells on its own: counted by code, from the very first one."""

from inferometer.aggregate import Aggregator
from inferometer.catalog import gpus, telemetry
from inferometer_exporters.health import Health
from inferometer_exporters.source import Sampler

XID = "gpu_xid_errors_total"


def test_xid_errors_are_counted_by_device_and_code(driver, shown, until):
    two = "* devices 2\n0 uuid GPU-a\n1 uuid GPU-b"
    driver.script(two)
    source = driver.nvml()
    until(lambda: source.read() and driver.calls("nvmlEventSetWait_v2"))
    driver.script(two, "0 event 1 8 79", "0 event 2 8 13", "0 event 3 8 79", "1 event 1 8 31")

    def counts():
        return {key[1:]: value for key, value in shown(source.read()).items() if key[0] == XID}

    until(lambda: sum(counts().values()) == 4)
    assert counts() == {("GPU-a", "79"): 2, ("GPU-a", "13"): 1, ("GPU-b", "31"): 1}


def test_the_first_xid_of_a_code_is_one_that_prometheus_can_see_rise(driver, until):
    driver.script("0 uuid GPU-a")
    sampler = Sampler([driver.nvml()], period=0.05)
    aggregator = Aggregator()
    health = Health(aggregator, sampler)
    sampler.start()
    until(lambda: driver.calls("nvmlEventSetWait_v2") and sampler.readings())
    driver.script("0 uuid GPU-a", "0 event 1 8 48")
    until(lambda: health.show() and aggregator.counter(gpus.GPU_XID_ERRORS, ("GPU-a", "48")).value == 1)
    sampler.close()


def test_an_uncorrected_memory_error_is_looked_at_at_once(driver, shown, until):
    driver.script(driver.H100)
    source = driver.nvml()
    source.read()
    until(lambda: driver.calls("nvmlEventSetWait_v2"))
    driver.script(driver.H100.replace("0 ecc_uncorrected 0", "0 ecc_uncorrected 1"), "0 event 1 2 0")
    until(lambda: shown(source.read())["gpu_ecc_errors_total", "GPU-a", "uncorrected"] == 1, seconds=5)


def test_events_are_waited_for_anew_after_the_driver_was_reloaded(driver, shown, until):
    driver.script("0 uuid GPU-a")
    source = driver.nvml()
    until(lambda: source.read() and driver.calls("nvmlEventSetWait_v2"))
    driver.script("0 uuid GPU-a", "* reload 1")
    # Nothing else is asked of this device: the look at how many there are sees it.
    driver.ahead += 11
    source.read()
    driver.ahead += 2
    sets = driver.calls("nvmlEventSetCreate")
    until(lambda: source.read() and driver.calls("nvmlEventSetCreate") > sets)
    driver.script("0 uuid GPU-a", "* reload 1", "0 event 1 8 79")
    until(lambda: shown(source.read()).get((XID, "GPU-a", "79")) == 1)


def test_a_gpu_that_is_lost_when_it_is_asked_keeps_no_other_from_telling(driver, shown, until):
    two = "* devices 2\n0 uuid GPU-a\n0 error nvmlDeviceGetSupportedEventTypes 15\n1 uuid GPU-b"
    driver.script(two)
    source = driver.nvml()
    until(lambda: source.read() and driver.calls("nvmlEventSetWait_v2"))
    driver.script(two, "1 event 1 8 79")
    until(lambda: shown(source.read()).get((XID, "GPU-b", "79")) == 1)


def test_a_wait_that_hangs_is_counted_and_costs_no_reading(driver, shown, until):
    driver.script(driver.H100, "* hang nvmlEventSetWait_v2")
    source = driver.nvml()
    found = until(
        lambda: (
            (found := shown(source.read()))
            and (telemetry.SOURCE_CALL_ERRORS.name, "nvml", "nvmlEventSetWait_v2", "deadline") in found
            and found
        )
    )

    assert found["gpu_power_watts", "GPU-a"] == 412.345
    assert found["inferometer_source_errors_total", "nvml"] == 0


def test_where_errors_cannot_be_told_nobody_waits(driver, shown):
    driver.script(driver.H100, "* error nvmlDeviceGetSupportedEventTypes 3")
    source = driver.nvml()
    for _ in range(4):
        found = shown(source.read())

    assert driver.calls("nvmlEventSetWait_v2") == 0
    assert driver.calls("nvmlEventSetCreate") == 1
    assert found["gpu_power_watts", "GPU-a"] == 412.345
