# workmanager: topic=gather
"""Asks several sources at once and waits for all: a worker may be a coroutine.

The sources are stand-ins that only wait; with a client for HTTP they would wait for the network.
"""

import asyncio


async def look_up(name, delay):
    await asyncio.sleep(delay)
    return name, len(name)


async def Process(event):
    names = event["data"]["names"]
    # Together they take as long as the slowest, not as long as all.
    found = await asyncio.gather(*(look_up(name, 0.05) for name in names))
    return {"type": "gathered", "data": dict(found)}
