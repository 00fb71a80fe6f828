"""``io.prometheus.client`` as its own project defines it, so that our hand-written bytes are read by other code."""

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, timestamp_pb2

F = descriptor_pb2.FieldDescriptorProto
_PACKAGE = "io.prometheus.client"
_FIELDS = {
    "LabelPair": [("name", 1, F.TYPE_STRING), ("value", 2, F.TYPE_STRING)],
    "Gauge": [("value", 1, F.TYPE_DOUBLE)],
    "Counter": [("value", 1, F.TYPE_DOUBLE), ("exemplar", 2, "Exemplar")],
    "Exemplar": [("label", 1, ["LabelPair"]), ("value", 2, F.TYPE_DOUBLE), ("timestamp", 3, "Timestamp")],
    "Bucket": [("cumulative_count", 1, F.TYPE_UINT64), ("upper_bound", 2, F.TYPE_DOUBLE), ("exemplar", 3, "Exemplar")],
    "BucketSpan": [("offset", 1, F.TYPE_SINT32), ("length", 2, F.TYPE_UINT32)],
    "Histogram": [
        ("sample_count", 1, F.TYPE_UINT64),
        ("sample_sum", 2, F.TYPE_DOUBLE),
        ("bucket", 3, ["Bucket"]),
        ("schema", 5, F.TYPE_SINT32),
        ("zero_threshold", 6, F.TYPE_DOUBLE),
        ("zero_count", 7, F.TYPE_UINT64),
        ("positive_span", 12, ["BucketSpan"]),
        ("positive_delta", 13, [F.TYPE_SINT64]),
    ],
    "Metric": [
        ("label", 1, ["LabelPair"]),
        ("gauge", 2, "Gauge"),
        ("counter", 3, "Counter"),
        ("histogram", 7, "Histogram"),
    ],
    "MetricFamily": [
        ("name", 1, F.TYPE_STRING),
        ("help", 2, F.TYPE_STRING),
        ("type", 3, F.TYPE_INT32),
        ("metric", 4, ["Metric"]),
        ("unit", 5, F.TYPE_STRING),
    ],
}


def _pool() -> descriptor_pool.DescriptorPool:
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(timestamp_pb2.DESCRIPTOR.serialized_pb)
    file = descriptor_pb2.FileDescriptorProto(
        name="metrics.proto", package=_PACKAGE, syntax="proto2", dependency=["google/protobuf/timestamp.proto"]
    )
    for message, fields in _FIELDS.items():
        described = file.message_type.add(name=message)
        for name, number, kind in fields:
            repeated = isinstance(kind, list)
            field = described.field.add(name=name, number=number)
            field.label = F.LABEL_REPEATED if repeated else F.LABEL_OPTIONAL
            of = kind[0] if repeated else kind
            if isinstance(of, str):
                field.type = F.TYPE_MESSAGE
                field.type_name = ".google.protobuf.Timestamp" if of == "Timestamp" else f".{_PACKAGE}.{of}"
            else:
                field.type = of
    pool.Add(file)
    return pool


MetricFamily = message_factory.GetMessageClass(_pool().FindMessageTypeByName(f"{_PACKAGE}.MetricFamily"))


def families(page: bytes) -> dict[str, object]:
    """All families of a delimited page, by name."""
    found = {}
    at = 0
    while at < len(page):
        size = shift = 0
        while True:
            byte = page[at]
            at += 1
            size |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                break
        family = MetricFamily.FromString(page[at : at + size])
        found[family.name] = family
        at += size
    return found
