# The smallest worker: one event in, one event out.


def Process(event):
    return {"type": "hello", "data": f"Hello, {event['data']}!"}
