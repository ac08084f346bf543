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
