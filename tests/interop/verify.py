"""Verifies signed messages with the official Python libraries.

In: {"messages": [{"secret", "headers", "body"}, ...]}. Out: {library: [true or false per message] or null if it is absent}.
"""

import importlib
import json
import sys

MODULES = {"standardwebhooks": "standardwebhooks.webhooks", "svix": "svix.webhooks"}


def accepted(library, message):
    webhook = library.Webhook(message["secret"])
    try:
        webhook.verify(message["body"].encode(), message["headers"])
    except library.WebhookVerificationError:
        return False
    return True


def verdicts(module, messages):
    try:
        library = importlib.import_module(module)
    except ImportError:
        return None
    return [accepted(library, message) for message in messages]


def main():
    messages = json.load(sys.stdin)["messages"]
    json.dump({name: verdicts(module, messages) for name, module in MODULES.items()}, sys.stdout)


if __name__ == "__main__":
    main()
