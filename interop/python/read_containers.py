"""Reads KPL containers with AWS's deaggregator for Python.

    pip install aws-kinesis-agg six
    python read_containers.py < ../../aggregate/testdata/kinetrail.json

It prints a line for each container and compares every record with the one that
was put in. The exit code is 1 when a key, a payload or a sub-sequence number
differs. An explicit hash key that differs is printed and forgiven: once a
container has any, aws-kinesis-agg gives the first one to every record that has
none of its own.
"""

import base64
import json
import sys

from aws_kinesis_agg.deaggregator import deaggregate_records


def read(container):
    """Deaggregates as a Lambda function would."""
    return deaggregate_records([{
        "eventSource": "aws:kinesis",
        "kinesis": {
            "kinesisSchemaVersion": "1.0",
            "partitionKey": "a",
            "sequenceNumber": "1",
            "approximateArrivalTimestamp": 0,
            "data": base64.b64encode(bytes.fromhex(container)),
        },
    }])


def differences(got, want):
    """Yields (forgiven, sentence) for everything that is not as put in."""
    if len(got) != len(want):
        yield False, "%d records, want %d" % (len(got), len(want))
        return
    for sub, (record, expected) in enumerate(zip(got, want)):
        kinesis = record["kinesis"]
        seen = (kinesis["partitionKey"], base64.b64decode(kinesis["data"]), kinesis.get("subSequenceNumber"))
        wanted = (expected["partition_key"], base64.b64decode(expected["data"]), sub)
        if seen != wanted:
            yield False, "record %d: %r, want %r" % (sub, seen, wanted)
        hash_key = kinesis.get("explicitHashKey")
        if hash_key != expected.get("explicit_hash_key"):
            yield True, "record %d: explicit hash key %r, want %r" % (sub, hash_key, expected.get("explicit_hash_key"))


def main():
    failed = False
    for container in json.load(sys.stdin)["containers"]:
        found = list(differences(read(container["bytes"]), container["records"]))
        wrong = [sentence for forgiven, sentence in found if not forgiven]
        print("%s: %s" % (container["name"], "DIFFERENT" if wrong else "read"))
        for _, sentence in found:
            print("    " + sentence)
        failed = failed or bool(wrong)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
