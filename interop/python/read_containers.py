"""Reads KPL containers with AWS's deaggregator for Python.

It takes a document of containers on standard input, such as those of
aggregate/testdata, and writes what it read in the same form. The headers come
from the library's own schema of a container: its deaggregator does not show
them.
"""

import base64
import json
import platform
import sys
from importlib.metadata import version

from aws_kinesis_agg.deaggregator import deaggregate_records, messages_pb2


def read(container):
    """Deaggregates as a Lambda function would."""
    data = bytes.fromhex(container["bytes"])
    read_records = deaggregate_records([{
        "eventSource": "aws:kinesis",
        "kinesis": {
            "kinesisSchemaVersion": "1.0",
            "partitionKey": container.get("partition_key", "a"),
            "sequenceNumber": container.get("sequence_number", "1"),
            "approximateArrivalTimestamp": 0,
            "data": base64.b64encode(data),
        },
    }])
    message = messages_pb2.AggregatedRecord.FromString(data[4:-16])
    return [record(r["kinesis"], m) for r, m in zip(read_records, message.records, strict=True)]


def record(kinesis, message):
    return {
        "partition_key": kinesis["partitionKey"],
        "explicit_hash_key": kinesis.get("explicitHashKey") or "",
        "data": base64.b64encode(base64.b64decode(kinesis["data"])).decode(),
        "headers": [{"name": tag.key, "value": tag.value} for tag in message.tags],
        "sequence_number": kinesis["sequenceNumber"],
        "sub_sequence_number": kinesis.get("subSequenceNumber", -1),
    }


def main():
    containers = [dict(name=c["name"], records=read(c)) for c in json.load(sys.stdin)["containers"]]
    made_by = "aws-kinesis-agg {} (PyPI), protobuf {}, Python {}".format(
        version("aws-kinesis-agg"), version("protobuf"), platform.python_version()
    )
    json.dump({"made_by": made_by, "containers": containers}, sys.stdout)


if __name__ == "__main__":
    main()
