"""Calls Kinesis with boto3: a call on each line of standard input, an answer on each line of standard output.

The form of both is described in ../dialogue.go.
"""

import base64
import json
import platform
import sys
from datetime import datetime

import boto3
import botocore
from botocore.config import Config
from botocore.exceptions import ClientError, EventStreamError

CONFIG = Config(retries={"total_max_attempts": 1}, read_timeout=30)

clients = {}


def client(endpoint):
    if endpoint not in clients:
        clients[endpoint] = boto3.client("kinesis", endpoint_url=endpoint, config=CONFIG)
    return clients[endpoint]


def with_bytes(value):
    """The input, in which the members called Data are base64."""
    if isinstance(value, list):
        return [with_bytes(item) for item in value]
    if isinstance(value, dict):
        return {k: base64.b64decode(v) if k == "Data" else with_bytes(v) for k, v in value.items()}
    return value


def plain(value):
    """The output as JSON can write it."""
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items() if k != "ResponseMetadata"}
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, datetime):
        return value.isoformat()
    return value


def events(stream, records):
    """The events of a subscription until they held so many records, or to its end."""
    seen = []
    for event in stream:
        seen.append(event["SubscribeToShardEvent"])
        records -= len(seen[-1]["Records"])
        if records == 0:
            break
    stream.close()
    return {"Events": seen}


def answer(call):
    operation = getattr(client(call["endpoint"]), boto3.session.botocore.xform_name(call["operation"]))
    try:
        output = operation(**with_bytes(call["input"]))
        if "EventStream" in output:
            write({"subscribed": True})
            output = events(output["EventStream"], call.get("records", 0))
        return {"output": plain(output)}
    except (ClientError, EventStreamError) as e:
        return {"error": {
            "name": e.response["Error"]["Code"],
            "message": e.response["Error"]["Message"],
            "status": e.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0),
        }}


def write(line):
    print(json.dumps(line), flush=True)


def main():
    write({
        "version": "boto3 {}, botocore {}, Python {}".format(
            boto3.__version__, botocore.__version__, platform.python_version()),
        "operations": client("http://localhost").meta.service_model.operation_names,
    })
    for line in sys.stdin:
        write(answer(json.loads(line)))


if __name__ == "__main__":
    main()
