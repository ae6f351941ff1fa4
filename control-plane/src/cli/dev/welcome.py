# workmanager: topic=hello reply-topic=greetings
"""The first worker: it greets whoever an event names.

Save this file under another name, change it, and run `workmanager dev FILE`.
"""


def Process(event):
    data = event.get("data")
    name = data.get("name", "you") if isinstance(data, dict) else "you"
    print(f"greeting {name}")
    return {"type": "greeting", "data": {"message": f"Hello, {name}!"}}
