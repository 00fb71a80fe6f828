"""Workers that do not say where they run: what their cgroup and the sidecar's environment say."""

from inferometer.wire.pod import Pod
from inferometer_exporters.hosts.pods import Pods

ID = "4f2a9c" + "0b" * 29
UID = "8d7c6b5a-1111-2222-3333-444455556666"
PATH = f"0::/kubepods/burstable/pod{UID}/{ID}\n"
SEEN = {"uid": UID, "container_id": ID}


def test_a_plain_sidecar_knows_the_pod_and_not_the_container_of_its_neighbour(kernel):
    own = Pod(namespace="ml", name="llm-0", node="node-1", container="inferometer", container_id="its own")

    assert Pods(own, proc=kernel.roots.proc)(0) == Pod(namespace="ml", name="llm-0", node="node-1")


def test_a_sidecar_of_a_node_knows_the_node_and_what_cgroups_say(kernel):
    kernel.says(proc={"7/cgroup": PATH})
    pods = Pods(Pod(node="node-1"), proc=kernel.roots.proc)

    assert pods(7) == Pod(node="node-1", **SEEN)
    assert pods(8) == Pod(node="node-1")


def test_a_worker_of_another_pod_does_not_get_our_name(kernel):
    kernel.says(proc={"7/cgroup": PATH})
    own = Pod(namespace="ops", name="inferometer-x7", uid="another", node="node-1")

    assert Pods(own, proc=kernel.roots.proc)(7) == Pod(node="node-1", **SEEN)
    ours = Pod(namespace="ml", name="llm-0", uid=UID)
    assert Pods(ours, proc=kernel.roots.proc)(7) == Pod(namespace="ml", name="llm-0", **SEEN)


def test_outside_of_a_cluster_nothing_is_known(kernel):
    kernel.says(proc={"7/cgroup": "0::/user.slice\n"})

    assert not Pods(Pod(), proc=kernel.roots.proc)(7)
