"""Reads records of values with async-kinesis.

It takes a document of records on standard input, such as those of
codec/testdata, compares what it reads with the values there, and writes a
document that says so of each record. async-kinesis reads a JSON list as one
value.
"""

import json
import sys

from async_kinesis_codecs import PROCESSORS, difference, maker, values_of


def read(record):
    got = list(PROCESSORS[record["codec"]]().parse(bytes.fromhex(record["bytes"])))
    want = values_of(record["codec"], record["values"])
    return {"name": record["name"], "values": len(want), "wrong": difference(got, want)}


def main():
    records = [read(record) for record in json.load(sys.stdin)["records"]]
    json.dump({"made_by": maker(), "read": records}, sys.stdout)


if __name__ == "__main__":
    main()
