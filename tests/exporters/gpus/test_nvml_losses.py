"""A driver that hangs, a GPU that is lost, a driver that is reloaded: an error that is counted, and recovery."""

import logging
import threading

from inferometer_exporters.gpus.choice import GpuChoice, local_gpus

TWO = "* devices 2\n0 uuid GPU-a\n0 power 1000\n1 uuid GPU-b\n1 power 2000"
ERRORS = "inferometer_source_call_errors_total"
SPOILED = ("inferometer_source_errors_total", "nvml")


def watts(found):
    return {key[1]: value for key, value in found.items() if key[0] == "gpu_power_watts"}


def test_a_call_that_hangs_costs_one_gpu_its_readings_is_counted_once_and_ends(driver, shown, until):
    driver.script(TWO)
    source = driver.nvml()
    assert watts(shown(source.read())) == {"GPU-a": 1.0, "GPU-b": 2.0}
    driver.script(TWO, "1 hang nvmlDeviceGetTemperature")
    driver.script(TWO, "1 hang nvmlDeviceGetPowerUsage")
    during = [shown(source.read()) for _ in range(3)]

    for found in during:
        assert watts(found) == {"GPU-a": 1.0}
        assert not [key for key in found if key[:2] == ("gpu_info", "GPU-b")]
        assert found[ERRORS, "nvml", "nvmlDeviceGetPowerUsage", "deadline"] == 1
    assert [found[SPOILED] for found in during] == [1, 2, 3]
    driver.script(TWO)
    until(lambda: watts(shown(source.read())) == {"GPU-a": 1.0, "GPU-b": 2.0})


def test_a_round_with_a_hung_gpu_is_waited_for_once(driver, shown):
    driver.script(TWO)
    source = driver.nvml(call_seconds=0.5)
    source.read()
    driver.script(TWO, "1 hang nvmlDeviceGetPowerUsage")
    source.read()
    began = driver.now()
    for _ in range(20):
        source.read()

    # Each would wait half a second for the hung call, were it asked again.
    assert driver.now() - began < 5


def test_readings_of_before_a_hang_are_not_shown_after_it(driver, shown, until):
    last = "nvmlDeviceGetMPSComputeRunningProcesses_v3"
    driver.script(TWO)
    source = driver.nvml(call_seconds=0.6)
    source.read()
    driver.script(TWO, f"1 hang {last}")
    driver.ahead += 10
    source.read()
    # Its round read power before it hung. It ends while another round is waited for: that power is old by then.
    slow = f"{TWO}\n0 delay nvmlDeviceGetPowerUsage 400000"
    driver.script(slow, f"1 hang {last}")
    end = threading.Timer(0.1, driver.script, (slow.replace("1 power 2000", "1 power 7000"),))
    end.start()
    during = watts(shown(source.read()))
    end.join()

    assert during == {"GPU-a": 1.0}
    until(lambda: watts(shown(source.read())) == {"GPU-a": 1.0, "GPU-b": 7.0})


def test_a_lost_gpu_is_looked_for_until_it_is_back(driver, shown, until):
    driver.script(TWO, "1 field 83 3 5000")
    source = driver.nvml()
    source.read()
    driver.script(TWO, "1 lost", "1 field 83 3 6000")
    found = shown(source.read())

    assert watts(found) == {"GPU-a": 1.0}
    assert sum(value for key, value in found.items() if key[0] == ERRORS and key[3] == "gpu_is_lost") == 1
    for _ in range(3):
        # The library is initialised anew, the other GPU goes on, the lost one is no device.
        driver.ahead += 60
        assert watts(shown(source.read())) == {"GPU-a": 1.0}
    inits = driver.calls("nvmlInitWithFlags")
    assert inits == 4
    driver.script(TWO, "1 field 83 3 6500")
    driver.ahead += 60
    until(lambda: watts(shown(source.read())) == {"GPU-a": 1.0, "GPU-b": 2.0})
    found = shown(source.read())
    assert found["gpu_energy_joules_total", "GPU-b"] == 1_500_000, "what it used while nobody could ask"
    assert driver.calls("nvmlShutdown") == driver.calls("nvmlInitWithFlags") - 1


def test_a_gpu_that_stays_lost_is_looked_for_less_and_less_often(driver):
    driver.script(TWO)
    source = driver.nvml()
    source.read()
    driver.script(TWO, "1 lost")
    for _ in range(62):
        driver.ahead += 1
        source.read()

    # The first, and after 1 + 2 + 4 + 8 + 16 seconds; the clock goes on while the test waits.
    assert 5 <= driver.calls("nvmlInitWithFlags") <= 8


def test_a_gpu_that_is_pulled_out_is_gone_and_one_that_is_put_in_appears(driver, shown, until):
    driver.script(TWO)
    source = driver.nvml()
    source.read()
    driver.script(TWO.replace("* devices 2", "* devices 1"))
    driver.ahead += 11
    until(lambda: watts(shown(source.read())) == {"GPU-a": 1.0})
    driver.script(TWO)
    driver.ahead += 11
    until(lambda: watts(shown(source.read())) == {"GPU-a": 1.0, "GPU-b": 2.0})


def test_after_a_driver_reload_everything_is_initialised_anew_and_totals_go_on(driver, shown, until):
    first = driver.H100.replace("0 field 83 3 1000000", "0 field 83 3 900000")
    driver.script(first)
    source = driver.nvml()
    source.read()
    driver.script(driver.H100)
    assert shown(source.read())["gpu_energy_joules_total", "GPU-a"] == 100_000_000
    # Version 580: the chip is asked again for what it did not have before.
    again = driver.H100.replace("0 field 83 3 1000000", "0 field 83 3 70") + "\n0 field 186 3 5000"
    driver.script(again, "* reload 1", "* driver 580.1")
    gone = shown(source.read())
    assert "GPU-a" not in {key[1] for key in gone if key[0] == "gpu_info"}
    assert gone[SPOILED] == 1
    driver.ahead += 1
    until(lambda: ("gpu_info", "GPU-a", "NVIDIA H100 80GB HBM3", "580.1", "nvml") in shown(source.read()))
    found = shown(source.read())

    assert found["gpu_energy_joules_total", "GPU-a"] == 100_070_000
    assert found["gpu_power_watts", "GPU-a"] == 5.0


def test_a_driver_that_is_away_is_asked_for_again_with_growing_pauses(driver, shown, until, caplog):
    driver.script("* error nvmlInitWithFlags 9")
    source = driver.nvml()
    with caplog.at_level(logging.WARNING):
        for _ in range(120):
            found = shown(source.read())
            driver.ahead += 1

    assert 7 <= driver.calls("nvmlInitWithFlags") <= 9
    assert found[ERRORS, "nvml", "nvmlInitWithFlags", "driver_not_loaded"] == driver.calls("nvmlInitWithFlags")
    assert found[SPOILED] == driver.calls("nvmlInitWithFlags"), "only an attempt that failed is an error"
    assert [record.getMessage() for record in caplog.records] == [
        "nvmlInitWithFlags of the driver's library failed: driver_not_loaded"
    ]
    driver.script(TWO)
    driver.ahead += 60
    until(lambda: len(watts(shown(source.read()))) == 2)


def test_a_call_that_fails_now_and_then_is_counted_and_made_again(driver, shown):
    driver.script(TWO, "0 error nvmlDeviceGetPowerUsage 999")
    source = driver.nvml()
    found = shown(source.read())
    assert watts(found) == {"GPU-b": 2.0}
    assert found[ERRORS, "nvml", "nvmlDeviceGetPowerUsage", "unknown"] == 1
    driver.script(TWO)

    assert watts(shown(source.read())) == {"GPU-a": 1.0, "GPU-b": 2.0}


def test_a_gpu_that_needs_a_reset_is_read_as_far_as_it_answers(driver, shown):
    driver.script(TWO, "0 error nvmlDeviceGetMigMode 16")
    found = shown(driver.nvml().read())

    assert watts(found) == {"GPU-a": 1.0, "GPU-b": 2.0}
    assert found[ERRORS, "nvml", "nvmlDeviceGetMigMode", "reset_required"] == 1


def test_a_loss_is_logged_once_and_after_recovery_again(driver, shown, until, caplog):
    driver.script(TWO)
    source = driver.nvml()
    source.read()
    for _ in range(2):
        driver.script(TWO, "1 lost")
        source.read()
        for _ in range(3):
            driver.ahead += 60
            source.read()
        driver.script(TWO)
        driver.ahead += 60
        until(lambda: len(watts(shown(source.read()))) == 2)

    calls = [record.getMessage().partition(" ")[0] for record in caplog.records if "gpu_is_lost" in record.getMessage()]
    assert len(calls) == 4, "the call that saw it, and the look for it, of each loss"
    assert calls.count("nvmlDeviceGetHandleByIndex_v2") == 2


def test_a_call_that_always_fails_is_logged_once(driver, caplog):
    driver.script(TWO, "0 error nvmlDeviceGetPowerUsage 999")
    source = driver.nvml()
    for _ in range(5):
        source.read()

    assert len(caplog.records) == 1


def test_what_this_process_may_not_ask_is_told_once(driver, shown):
    driver.script(TWO, "0 error nvmlDeviceGetPowerUsage 4")
    source = driver.nvml()
    for _ in range(3):
        found = shown(source.read())

    assert found[ERRORS, "nvml", "nvmlDeviceGetPowerUsage", "no_permission"] == 1


def test_an_error_that_the_bindings_do_not_name_has_its_number(driver, shown):
    driver.script(TWO, "0 error nvmlDeviceGetPowerUsage 777")

    assert shown(driver.nvml().read())[ERRORS, "nvml", "nvmlDeviceGetPowerUsage", "777"] == 1


def test_an_initialisation_that_hangs_holds_nobody_up_and_is_an_error(driver, shown, until):
    driver.script(TWO, "* hang nvmlInitWithFlags")
    source = driver.nvml(find_seconds=0.5)
    until(lambda: shown(source.read()).get((ERRORS, "nvml", "nvmlInitWithFlags", "deadline")) == 1)
    driver.script(TWO)
    until(lambda: len(watts(shown(source.read()))) == 2)


def test_while_one_gpu_hangs_another_that_is_lost_does_not_stop_the_rest(driver, shown):
    three = TWO.replace("* devices 2", "* devices 3")
    driver.script(three)
    source = driver.nvml()
    source.read()
    driver.script(three, "1 hang nvmlDeviceGetPowerUsage", "2 lost")
    for _ in range(4):
        driver.ahead += 30
        found = shown(source.read())

    assert watts(found) == {"GPU-a": 1.0}
    assert driver.calls("nvmlShutdown") == 0, "nothing is shut down under a call that hangs"


def test_a_reload_while_a_call_hangs_is_recovered_from(driver, shown, until):
    driver.script(TWO)
    source = driver.nvml()
    source.read()
    driver.script(TWO, "1 hang nvmlDeviceGetPowerUsage")
    source.read()
    driver.script(TWO, "* reload 1", "1 hang nvmlDeviceGetPowerUsage")
    source.read()
    driver.ahead += 60
    until(lambda: watts(shown(source.read())) == {"GPU-a": 1.0})
    driver.script(TWO, "* reload 1")
    until(lambda: (driver.__dict__.update(ahead=driver.ahead + 60), len(watts(shown(source.read()))) == 2)[1])


def test_slow_calls_that_return_in_time_do_not_hold_the_others_back_for_ever(driver, shown):
    slow = [
        f"1 delay nvmlDeviceGet{call} 200000"
        for call in ("UtilizationRates", "MemoryInfo_v2", "Temperature", "ClockInfo", "FieldValues", "PowerUsage")
    ]
    driver.script(TWO)
    source = driver.nvml(round_seconds=0.4)
    source.read()
    # What the chip does not have is asked again after ten seconds only where it may be another one.
    driver.script(driver.H100, TWO, *slow, "1 utilization 1", "1 used 1", "1 total 2", "1 celsius 1", "1 sm_clock 1")
    fresh = driver.nvml(round_seconds=0.4)
    began = driver.now()
    found = shown(fresh.read())

    assert "GPU-a" in watts(found)
    assert "GPU-b" not in watts(found)
    assert driver.now() - began < 30
    assert (ERRORS, "nvml", "nvmlDeviceGetFieldValues", "deadline") not in found


def test_closing_shuts_the_library_down_and_leaves_no_thread(driver, until):
    before = set(threading.enumerate())
    driver.script(TWO)
    source = driver.nvml()
    source.read()
    source.close()

    assert driver.calls("nvmlShutdown") == 1
    until(lambda: set(threading.enumerate()) <= before)


def test_closing_while_a_call_hangs_shuts_nothing_down_and_returns(driver):
    driver.script(TWO)
    source = driver.nvml()
    source.read()
    driver.script(TWO, "1 hang nvmlDeviceGetPowerUsage")
    source.read()
    source.close()

    assert driver.calls("nvmlShutdown") == 0


def test_gpus_are_read_where_the_library_is_there_and_nobody_said_no(driver):
    assert [source.name for source in local_gpus(GpuChoice.AUTO)] == ["nvml"]
    assert [source.name for source in local_gpus(GpuChoice.NVML)] == ["nvml"]
    assert local_gpus(GpuChoice.OFF) == []
