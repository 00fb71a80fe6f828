"""What a cgroup may use, uses and is denied, in version 2, version 1 and both at once."""

import shutil

import pytest

from inferometer_exporters.hosts.cgroup import Cgroups, Usage

MIB = 1 << 20
V2 = {
    "cgroup.controllers": "cpu memory\n",
    "cpu.stat": "usage_usec 5\nnr_throttled 2\nthrottled_usec 1500\n",
    "cpu.max": "150000 100000\n",
    "memory.current": f"{300 * MIB}\n",
    "memory.stat": f"anon 1\ninactive_file {100 * MIB}\n",
    "memory.max": f"{512 * MIB}\n",
    "memory.events": "low 0\noom 3\noom_kill 2\n",
}
V1 = {
    "cpu/app/cpu.stat": "nr_periods 4\nthrottled_time 1500000\n",
    "cpu/app/cpu.cfs_quota_us": "150000\n",
    "cpu/app/cpu.cfs_period_us": "100000\n",
    "memory/app/memory.usage_in_bytes": f"{300 * MIB}\n",
    "memory/app/memory.stat": f"cache 1\ntotal_inactive_file {100 * MIB}\n",
    "memory/app/memory.limit_in_bytes": f"{512 * MIB}\n",
    "memory/app/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n",
}
KNOWN = Usage(throttled_ns=1_500_000, cores=1.5, memory_used=200 * MIB, memory_limit=512 * MIB, oom_kills=2)


def usage(pid, roots):
    return Cgroups(roots).usage(pid)


def under(folder, files):
    return {(f"{folder}/{name}" if name != "cgroup.controllers" else name): said for name, said in files.items()}


@pytest.mark.parametrize("folder", ["kubepods.slice/pod1", "app"])
def test_version_2_is_read_at_the_path_of_the_process(kernel, folder):
    kernel.says(proc={"7/cgroup": f"0::/{folder}\n"}, cgroup=under(folder, V2))

    assert usage(7, kernel.roots) == KNOWN


@pytest.mark.parametrize("below", ["", "kubepods.slice/", "kubelet.slice/kubelet-kubepods.slice/"])
def test_a_path_outside_our_namespace_is_found_where_the_host_s_tree_is_mounted(kernel, below):
    kernel.says(
        proc={"7/cgroup": "0::/../../pod1.slice/cri-1.scope\n", "8/cgroup": "0::/../../pod1.slice/cri-2.scope\n"},
        cgroup=under(f"{below}pod1.slice/cri-1.scope", V2),
    )
    cgroups = Cgroups(kernel.roots)

    for _ in range(2):
        assert cgroups.usage(7) == KNOWN
        assert cgroups.usage(8) == Usage()


def test_a_container_that_comes_back_elsewhere_is_found_again(kernel):
    kernel.says(proc={"7/cgroup": "0::/../../pod1.slice/cri-1.scope\n"}, cgroup=under("a/pod1.slice/cri-1.scope", V2))
    cgroups = Cgroups(kernel.roots)
    assert cgroups.usage(7) == KNOWN
    shutil.rmtree(kernel.roots.cgroup / "a")
    assert cgroups.usage(7) == Usage()
    kernel.says(cgroup=under("b/c/pod1.slice/cri-1.scope", V2))

    assert cgroups.usage(7) == KNOWN


def test_a_path_of_our_own_namespace_is_not_looked_for_elsewhere(kernel):
    kernel.says(proc={"7/cgroup": "0::/app\n"}, cgroup=under("other/app", V2))

    assert usage(7, kernel.roots) == Usage()


def test_our_own_is_the_root_where_a_container_sees_no_more(kernel):
    kernel.says(proc={"self/cgroup": "0::/docker/abc\n", "7/cgroup": "0::/docker/def\n"}, cgroup=V2)

    assert usage("self", kernel.roots) == KNOWN
    assert usage(7, kernel.roots) == Usage(), "another one's is not ours"


@pytest.mark.parametrize("cpu", ["cpu", "cpu,cpuacct"])
def test_version_1_is_read_by_controller(kernel, cpu):
    files = {name.replace("cpu/", f"{cpu}/"): said for name, said in V1.items()}
    kernel.says(proc={"7/cgroup": "5:memory:/app\n4:cpu,cpuacct:/app\n1:name=systemd:/x\n0::/\n"}, cgroup=files)

    assert usage(7, kernel.roots) == KNOWN


def test_where_both_versions_are_each_says_what_it_knows(kernel):
    memory = {name: said for name, said in V1.items() if name.startswith("memory/")}
    unified = {f"unified/app/{name}": said for name, said in V2.items() if name.startswith("cpu.")}
    kernel.says(
        proc={"7/cgroup": "4:memory:/app\n0::/app\n"}, cgroup=memory | unified | {"unified/cgroup.controllers": "cpu\n"}
    )

    assert usage(7, kernel.roots) == KNOWN


def test_no_limit_is_no_limit_and_not_a_large_one(kernel):
    kernel.says(
        proc={"7/cgroup": "0::/app\n"}, cgroup=under("app", V2 | {"cpu.max": "max 100000\n", "memory.max": "max\n"})
    )
    found = usage(7, kernel.roots)
    assert (found.cores, found.memory_limit) == (None, None)

    more = {"cpu/app/cpu.cfs_quota_us": "-1\n", "memory/app/memory.limit_in_bytes": "9223372036854771712\n"}
    kernel.says(proc={"8/cgroup": "4:memory:/app\n3:cpu:/app\n"}, cgroup=V1 | more)
    found = usage(8, kernel.roots)
    assert (found.cores, found.memory_limit) == (None, None)
    assert found.memory_used == 200 * MIB


@pytest.mark.parametrize(
    "said", ["", "throttled_usec\n", "throttled_usec many\n", "throttled_usec -5\n", "\x00\n"], ids=repr
)
def test_what_the_kernel_does_not_say_is_unknown(kernel, said):
    kernel.says(proc={"7/cgroup": "0::/app\n"}, cgroup={"cgroup.controllers": "", "app/cpu.stat": said})

    assert usage(7, kernel.roots) == Usage()


@pytest.mark.parametrize("said", ["", "nonsense\n", "0::\n", ":::::\n"])
def test_a_process_that_is_gone_or_says_nonsense_has_no_usage(kernel, said):
    kernel.says(proc={"7/cgroup": said})

    assert usage(7, kernel.roots) == Usage()
    assert usage(8, kernel.roots) == Usage()
