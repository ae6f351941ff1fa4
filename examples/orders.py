# workmanager: topic=orders filter=event.type == "order.created"
"""Confirms orders. The line above says which events come here; everything else is Python.

The reply goes where the event's `replytopic` says.
"""


def Process(event):
    order = event["data"]
    total = sum(item["price"] * item.get("count", 1) for item in order["items"])
    if total <= 0:
        # No reply: the event is done, and nothing is published.
        return None
    # What a worker prints is kept with the event and shown beside it.
    print(f"order {order['id']}: {total}")
    return {
        "type": "order.confirmed",
        "subject": str(order["id"]),
        "data": {"id": order["id"], "total": total},
    }
