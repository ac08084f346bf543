"""Reads a stream with async-kinesis and one of its checkpointers, and prints each item on a line.

It takes on standard input {"endpoint", "stream", "processor": "string" or "kplstring", "checkpointer": "redis" or
"dynamodb", "dynamodb": URL of the tables, "name": the group's, "page": Kinesis records per call, "shards": the most to
read at once, "items": how many to read, "killed": whether to end as by kill -9 and not by closing}. The port of Redis is
in REDIS_PORT, as the library wants it. The first line is what it is made by.
"""

import asyncio
import json
import os
import platform
import signal
import sys
from importlib.metadata import version

from kinesis import Consumer
from kinesis.processors import KPLStringProcessor, StringProcessor

PROCESSORS = {"string": StringProcessor, "kplstring": KPLStringProcessor}


def checkpointer(call):
    # A worker whose heart beats during a check would only write the same again.
    if call["checkpointer"] == "redis":
        from kinesis import RedisCheckPointer

        return RedisCheckPointer(name=call["name"], id="worker-1", heartbeat_frequency=600)
    from kinesis.dynamodb import DynamoDBCheckPointer

    return DynamoDBCheckPointer(name=call["name"], id="worker-1", heartbeat_frequency=600, endpoint_url=call["dynamodb"])


def say(line):
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


async def main():
    call = json.load(sys.stdin)
    say(f"async-kinesis {version('async-kinesis')}, redis {version('redis')}, aioboto3 {version('aioboto3')} (PyPI), Python {platform.python_version()}")
    consumer = Consumer(
        call["stream"],
        endpoint_url=call["endpoint"],
        processor=PROCESSORS[call["processor"]](),
        checkpointer=checkpointer(call),
        record_limit=call["page"],
        max_shard_consumers=call["shards"],
        max_queue_size=1,
        shard_fetch_rate=5,
        sleep_time_no_records=0.1,
        idle_timeout=10,
    )
    async with consumer:
        read = 0
        async for item in consumer:
            say(item)
            read += 1
            if read == call["items"]:
                break
        if call["killed"]:
            os.kill(os.getpid(), signal.SIGKILL)


asyncio.run(main())
