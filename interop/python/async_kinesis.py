"""Puts values into streams with async-kinesis, or gets them.

It takes {"endpoint": url, "put": streams, "get": streams} on standard input,
each stream with its name, its codec and its values. Those to put are put; those
to get are read and compared. It writes a document that says so of each stream.
"""

import asyncio
import json
import sys

from async_kinesis_codecs import PROCESSORS, difference, maker, value_of, values_of
from kinesis import Consumer, Producer


async def put(endpoint, stream):
    values = [value_of(v) for v in stream["values"]]
    async with Producer(stream["name"], endpoint_url=endpoint, processor=PROCESSORS[stream["codec"]]()) as producer:
        for v in values:
            await producer.put(v)
        await producer.flush()
    return {"name": stream["name"], "values": len(values), "wrong": ""}


async def get(endpoint, stream):
    want = values_of(stream["codec"], stream["values"])
    got = []
    async with Consumer(
        stream["name"],
        endpoint_url=endpoint,
        processor=PROCESSORS[stream["codec"]](),
        sleep_time_no_records=0.1,
        idle_timeout=1,
    ) as consumer:
        async for v in consumer:
            got.append(v)
    return {"name": stream["name"], "values": len(got), "wrong": difference(got, want)}


async def main():
    call = json.load(sys.stdin)
    endpoint = call["endpoint"]
    streams = await asyncio.gather(
        *(put(endpoint, s) for s in call["put"]), *(get(endpoint, s) for s in call["get"])
    )
    json.dump({"made_by": maker(), "read": streams}, sys.stdout)


if __name__ == "__main__":
    asyncio.run(main())
