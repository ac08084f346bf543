"""Reads records of values with async-kinesis.

    pip install 'async-kinesis[kpl]' msgpack
    python read_values.py < ../../codec/testdata/kinetrail.json

It prints a line for each record and compares every value with the one that was
put in. The exit code is 1 when one differs. async-kinesis reads a JSON list as
one value.
"""

import json
import sys

from async_kinesis_codecs import PROCESSORS, maker, value_of


def main():
    wrong = 0
    print(maker())
    for record in json.load(sys.stdin)["records"]:
        want = [value_of(v) for v in record["values"]]
        if record["codec"] == "jsonlist":
            want = [want]
        got = list(PROCESSORS[record["codec"]]().parse(bytes.fromhex(record["bytes"])))
        if got == want:
            print("ok     %s: %d values" % (record["name"], len(want)))
        else:
            wrong += 1
            print("WRONG  %s: %r, want %r" % (record["name"], got, want))
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
