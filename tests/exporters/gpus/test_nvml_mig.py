"""MIG instances: devices of their own, found anew when the GPU is cut in another way."""

ONE = "MIG-11111111-1111-1111-1111-111111111111"
TWO = "MIG-22222222-2222-2222-2222-222222222222"
WIDE = "MIG-33333333-3333-3333-3333-333333333333"
NAME = "NVIDIA H100 80GB HBM3 MIG"
CUT = f"""
0 mig 7
0 instance 0 {ONE} 9 1 9984 {NAME} 1g.10gb
0 instance 3 {TWO} 5 3 40448 {NAME} 3g.40gb
"""
RECUT = f"""
0 mig 7
0 instance 0 {WIDE} 0 7 81920 {NAME} 7g.80gb
"""
ERRORS = "inferometer_source_call_errors_total"


def infos(found):
    return {key[1:] for key in found if key[0] == "gpu_mig_info"}


def test_each_instance_is_a_device_with_a_profile_memory_and_activity(driver, shown):
    driver.script(driver.H100, CUT)
    source = driver.nvml()
    source.read()
    driver.ahead += 0.2
    found = shown(source.read())

    assert infos(found) == {(ONE, "GPU-a", "1g.10gb", "1"), (TWO, "GPU-a", "3g.40gb", "3")}
    assert found["gpu_mig_slices", "GPU-a"] == 7
    assert found["gpu_memory_total_bytes", ONE] == 9_984 << 20
    assert found["gpu_memory_used_bytes", TWO] == 30_000_000_000
    for series in ("gpu_sm_active_ratio", "gpu_tensor_active_ratio", "gpu_dram_active_ratio"):
        assert found[series, ONE] == found[series, TWO] == found[series, "GPU-a"]
    assert ("gpu_utilization_ratio", "GPU-a") not in found, "the driver does not say it of a GPU in MIG mode"
    assert ("gpu_utilization_ratio", ONE) not in found
    assert found["gpu_power_watts", "GPU-a"] == 412.345
    assert not [key for key in found if key[0] == ERRORS]


def test_processes_of_an_instance_have_memory_and_no_share(driver, shown):
    driver.script(driver.H100, CUT, "0 process 77 4096")
    found = shown(driver.nvml().read())

    assert found["gpu_process_memory_bytes", ONE, "77"] == 4_096
    assert not [key for key in found if key[0] == "gpu_process_sm_utilization_ratio"]
    assert driver.calls("nvmlDeviceGetProcessUtilization") == 0


def test_a_gpu_that_is_cut_anew_shows_its_new_instances_within_two_rounds(driver, shown):
    driver.script(driver.H100, CUT)
    source = driver.nvml()
    source.read()
    driver.script(driver.H100, RECUT)
    during = shown(source.read())
    after = shown(source.read())

    assert [value for key, value in during.items() if key[0] == ERRORS], "the old handles are answered with an error"
    assert infos(after) == {(WIDE, "GPU-a", "7g.80gb", "7")}
    assert not [key for key in after if ONE in key or TWO in key]
    driver.ahead += 0.2
    assert shown(source.read())["gpu_sm_active_ratio", WIDE] == 0.625


def test_an_instance_whose_number_changed_is_measured_anew(driver, shown):
    driver.script(driver.H100, CUT)
    source = driver.nvml()
    source.read()
    driver.script(driver.H100, CUT.replace(f"{ONE} 9", f"{ONE} 11"))
    driver.ahead += 10
    found = shown(source.read())

    # Samples of two instances have nothing between them; the library would say so.
    assert ("gpu_sm_active_ratio", ONE) not in found
    assert not [key for key in found if key[0] == ERRORS]
    driver.ahead += 0.2
    assert shown(source.read())["gpu_sm_active_ratio", ONE] == 0.625


def test_a_gpu_that_leaves_mig_mode_is_asked_again_for_what_it_has_now(driver, shown):
    driver.script(driver.H100, CUT)
    source = driver.nvml()
    source.read()
    driver.script(driver.H100)
    driver.ahead += 10
    found = shown(source.read())

    assert infos(found) == set()
    assert ("gpu_mig_slices", "GPU-a") not in found
    assert found["gpu_utilization_ratio", "GPU-a"] == 0.73


def test_an_instance_without_a_profile_in_its_name_is_named_by_its_slices(driver, shown):
    driver.script(driver.H100, "0 mig 7", f"0 instance 0 {ONE} 9 1 4864 NVIDIA A100-SXM4-40GB")

    assert infos(shown(driver.nvml().read())) == {(ONE, "GPU-a", "1g.5gb", "1")}
