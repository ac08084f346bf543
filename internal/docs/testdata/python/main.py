# The same as go/main.go, for read_key.
import base64
import sys

from reader import read_key

for line in sys.stdin:
    found, key = read_key(base64.b64decode(line).decode("utf-8"))
    if key is not None:
        found = {**found, "key": key}
    print(*(name + ":" + base64.b64encode(value.encode("utf-8")).decode() for name, value in found.items()))
