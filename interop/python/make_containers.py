"""Makes KPL containers with AWS's aggregator for Python.

It takes the records of every container on standard input and writes the same
document with the bytes that aws-kinesis-agg gives them. Containers with headers
are left out: the aggregator cannot write tags.
"""

import base64
import json
import platform
import sys
from importlib.metadata import version

from aws_kinesis_agg.aggregator import RecordAggregator


def make(records):
    aggregator = RecordAggregator()
    for r in records:
        full = aggregator.add_user_record(
            r["partition_key"], base64.b64decode(r["data"]), r.get("explicit_hash_key")
        )
        if full is not None:
            raise ValueError("the records do not fit one container")
    _, _, container = aggregator.clear_and_get().get_contents()
    return container.hex()


def main():
    made = [
        dict(container, bytes=make(container["records"]))
        for container in json.load(sys.stdin)["containers"]
        if not any("headers" in r for r in container["records"])
    ]
    maker = "aws-kinesis-agg {} (PyPI), protobuf {}, Python {}".format(
        version("aws-kinesis-agg"), version("protobuf"), platform.python_version()
    )
    json.dump({"made_by": maker, "containers": made}, sys.stdout, ensure_ascii=False, indent=2)
    print()


if __name__ == "__main__":
    main()
