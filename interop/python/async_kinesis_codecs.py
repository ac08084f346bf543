"""The codecs of async-kinesis by the names that codec/testdata gives them.

A document there holds records, each with the values it was made of. Values are
JSON, except that {"$bytes": hex} stands for binary.
"""

import platform
from importlib.metadata import PackageNotFoundError, version

from kinesis.processors import (
    JsonLineProcessor,
    JsonListProcessor,
    JsonProcessor,
    KPLJsonProcessor,
    KPLStringProcessor,
    MsgpackProcessor,
    StringProcessor,
)

PROCESSORS = {
    "string": StringProcessor,
    "json": JsonProcessor,
    "jsonlines": JsonLineProcessor,
    "jsonlist": JsonListProcessor,
    "kpljson": KPLJsonProcessor,
    "kplstring": KPLStringProcessor,
    "msgpack": MsgpackProcessor,
}


def value_of(v):
    """The value that a value of a document stands for."""
    if isinstance(v, list):
        return [value_of(item) for item in v]
    if isinstance(v, dict):
        if set(v) == {"$bytes"}:
            return bytes.fromhex(v["$bytes"])
        return {key: value_of(item) for key, item in v.items()}
    return v


def maker():
    """What this Python is, in a sentence for a document."""
    parts = []
    for package in ("async-kinesis", "aws-kinesis-agg", "msgpack", "ujson"):
        try:
            parts.append("{} {}".format(package, version(package)))
        except PackageNotFoundError:
            parts.append("no {}".format(package))
    return "{} (PyPI), Python {}".format(", ".join(parts), platform.python_version())


def values_of(codec, values):
    """What async-kinesis is to read where these values were put."""
    values = [value_of(v) for v in values]
    return [values] if codec == "jsonlist" else values


def difference(got, want):
    """The first difference in a sentence, empty when there is none."""
    for i, (g, w) in enumerate(zip(got, want)):
        if g != w or type(g) is not type(w):
            return "value %d is %r, want %r" % (i, g, w)
    if len(got) != len(want):
        return "%d values, want %d" % (len(got), len(want))
    return ""
