"""Makes records of values with async-kinesis.

It takes the values of every record on standard input and writes the same
document with the bytes that async-kinesis gives them. Where ujson is installed,
async-kinesis writes JSON with it.
"""

import json
import sys

from async_kinesis_codecs import PROCESSORS, maker, value_of


def make(record):
    processor = PROCESSORS[record["codec"]]()
    records = [item for v in record["values"] for item in processor.add_item(value_of(v))]
    if processor.has_items():
        records += processor.get_items()
    if len(records) != 1:
        raise ValueError("%s: %d records" % (record["name"], len(records)))
    return records[0].data.hex()


def main():
    made = [dict(record, bytes=make(record)) for record in json.load(sys.stdin)["records"]]
    json.dump({"made_by": maker(), "records": made}, sys.stdout, indent=2)
    print()


if __name__ == "__main__":
    main()
