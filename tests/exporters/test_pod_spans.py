"""The pod of a request's process: on its spans and in the recorder, also where the sidecar ended in between."""

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from inferometer.catalog import spans
from inferometer.otlp.sender import Settled
from inferometer.otlp.writer import TraceWriter
from inferometer.wire.pod import Pod

POD = Pod(namespace="ml", name="llm-0", uid="8d7c", node="node-1", container="serve", container_id="4f2a")


class Taking:
    """A sender that keeps what it is given and never hears of it again."""

    def __init__(self):
        self.taken = []

    def put(self, unit):
        self.taken.append(unit)
        return True

    def settled(self):
        return Settled()

    def pods(self):
        """Names of the pods that the spans say they come from."""
        return [
            {pair.key: pair.value.string_value for pair in resource.resource.attributes}.get(spans.K8S_POD.name)
            for unit in self.taken
            for resource in ExportTraceServiceRequest.FromString(unit.data).resource_spans
        ]


def slow(make, worker, now):
    return worker.arrival(now + 900 * make.MS, requests=[make.request(5, now, now + 800 * make.MS)])


def test_spans_say_the_pod_also_after_a_restart_before_the_worker_is_back(new_bench, make):
    before, after = Taking(), Taking()
    bench, worker = new_bench(writer=TraceWriter(before)), make.worker(pod=POD)
    state = bench.do_pass(slow(make, worker, bench.clock.now), seconds=1)
    assert before.pods() == []
    clock = bench.clock
    bench = new_bench(writer=TraceWriter(after), clock=clock)
    bench.pipeline.load(state, same_boot=True)
    for _ in range(12):
        bench.do_pass(seconds=1)

    assert after.pods() == ["llm-0"]
    stored = bench.rows("select namespace, pod, pod_uid, node, container, container_id from processes")
    assert stored == [POD.texts]


def test_a_worker_outside_of_a_cluster_has_no_pod_on_its_spans(new_bench, make):
    sender = Taking()
    bench, worker = new_bench(writer=TraceWriter(sender)), make.worker()
    bench.do_pass(slow(make, worker, bench.clock.now), seconds=1)
    for _ in range(12):
        bench.do_pass(worker.arrival(bench.clock.now + make.SECOND), seconds=1)

    assert sender.pods() == [None]
