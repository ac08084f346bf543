"""Lets the checkpointers of async-kinesis write, and prints what they wrote: one key or row a line.

    REDIS_PORT=6379 python write.py redis
    python write.py dynamodb http://127.0.0.1:8000
"""

import asyncio
import json
import sys

SEQUENCE = "4963000000000000000000000000000000000000000000000000000"


async def steps(checkpointer):
    await checkpointer.allocate("shardId-000000000000")  # held, with a checkpoint
    await checkpointer.checkpoint("shardId-000000000000", SEQUENCE + "1")
    await checkpointer.allocate("shardId-000000000001")  # given up, with a checkpoint
    await checkpointer.checkpoint("shardId-000000000001", SEQUENCE + "2")
    await checkpointer.deallocate("shardId-000000000001")
    await checkpointer.allocate("shardId-000000000002")  # held, nothing read yet


async def redis():
    from kinesis.checkpointers import RedisCheckPointer

    checkpointer = RedisCheckPointer(name="orders", id="worker-1")
    await steps(checkpointer)
    for key in sorted(await checkpointer.client.keys("pyredis-orders-*")):
        print(key.decode() if isinstance(key, bytes) else key, (await checkpointer.client.get(key)).decode(), sep="\t")


async def dynamodb(url):
    import aioboto3
    from kinesis.dynamodb import DynamoDBCheckPointer

    checkpointer = DynamoDBCheckPointer(name="orders", id="worker-1", endpoint_url=url)
    await steps(checkpointer)
    async with aioboto3.Session().client("dynamodb", endpoint_url=url) as client:
        rows = (await client.scan(TableName="kinesis-checkpoints-orders"))["Items"]
    for row in sorted(rows, key=lambda r: r["shard_id"]["S"]):
        print(json.dumps(row, sort_keys=True))


asyncio.run(redis() if sys.argv[1] == "redis" else dynamodb(sys.argv[2]))
