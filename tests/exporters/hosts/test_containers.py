"""Containers and pods by the paths of cgroups, of every runtime and driver."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inferometer_exporters.hosts.containers import Place, place, place_of

ID = "4f2a9c" + "0b" * 29
OTHER = "e" * 64
UID = "8d7c6b5a-1111-2222-3333-444455556666"
SLICE = UID.replace("-", "_")


@pytest.mark.parametrize(
    ("path", "container", "pod"),
    [
        (f"/kubepods/burstable/pod{UID}/{ID}", ID, UID),
        (f"/kubepods/pod{UID}/{ID}", ID, UID),
        (
            f"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{SLICE}.slice/cri-containerd-{ID}.scope",
            ID,
            UID,
        ),
        (f"/kubepods.slice/kubepods-pod{SLICE}.slice/crio-{ID}.scope", ID, UID),
        (f"/kubepods.slice/kubepods-pod{SLICE}.slice/crio-{ID}.scope/container", ID, UID),
        (f"/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod{SLICE}.slice/docker-{ID}.scope", ID, UID),
        (f"/system.slice/containerd.service/kubepods-burstable-pod{SLICE}.slice:cri-containerd:{ID}", ID, UID),
        (f"/../../kubepods-besteffort-pod{SLICE}.slice/cri-containerd-{ID}.scope", ID, UID),
        (f"/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod{SLICE}.slice/cri-containerd-{ID}.scope", ID, UID),
        (f"/kubepods/burstable/pod{'a' * 32}/{ID}", ID, "a" * 32),
        (f"/kubepods/pod{UID}/{OTHER}/docker/{ID}", ID, UID),
        (f"/docker/{ID}", ID, ""),
        (f"/system.slice/docker-{ID}.scope", ID, ""),
        (f"/machine.slice/libpod-{ID}.scope/container", ID, ""),
        ("/user.slice/user-1000.slice/session-2.scope", "", ""),
        ("/", "", ""),
        ("", "", ""),
        (f"/docker/{ID}0", "", ""),
        (f"/docker/{ID[:-1]}", "", ""),
    ],
)
def test_a_path_says_container_and_pod(path, container, pod):
    assert place_of(path) == Place(container, pod)


@given(st.text(max_size=200))
def test_whatever_the_path_an_id_is_an_id_of_it(path):
    found = place_of(path)

    assert found.container in path
    assert len(found.container) in {0, 64}
    assert found.pod_uid.replace("-", "_") in path.replace("-", "_")


def test_a_process_is_placed_by_any_of_its_cgroups(kernel):
    kernel.says(
        proc={
            "7/cgroup": f"12:pids:/user.slice\n4:memory:/kubepods/burstable/pod{UID}/{ID}\n0::/\n",
            "8/cgroup": "0::/user.slice\n",
        }
    )

    assert place(7, kernel.roots.proc) == Place(ID, UID)
    assert place(8, kernel.roots.proc) == Place()
    assert place(9, kernel.roots.proc) == Place()
