"""Reads deliveries with the CloudEvents SDK, and checks their signatures v1a by raw ed25519.

In: {library: [{"headers", "body" (base64), "public_key"}, ...]}. Out: {library: [true or false per message] or null if it is
absent}.
"""

import base64
import json
import sys


def cloudevents(messages):
    try:
        from cloudevents.exceptions import GenericException
        from cloudevents.http import from_http
    except ImportError:
        return None

    def taken(message):
        try:
            event = from_http(message["headers"], base64.b64decode(message["body"]), json.loads)
        except GenericException:
            return False
        inner = event.data
        return event["id"] == inner["id"] == message["headers"]["webhook-id"] and event["type"] == inner["type"]

    return [taken(message) for message in messages]


def ed25519(messages):
    try:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    except ImportError:
        return None

    def fits(message, signature):
        key = Ed25519PublicKey.from_public_bytes(base64.b64decode(message["public_key"].removeprefix("whpk_")))
        headers = message["headers"]
        content = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + base64.b64decode(message["body"])
        try:
            key.verify(base64.b64decode(signature), content)
        except InvalidSignature:
            return False
        return True

    def taken(message):
        signatures = [one.split(",", 1) for one in message["headers"]["webhook-signature"].split(" ")]
        return any(fits(message, text) for scheme, text in signatures if scheme == "v1a")

    return [taken(message) for message in messages]


def main():
    asked = json.load(sys.stdin)
    known = {"cloudevents": cloudevents, "ed25519": ed25519}
    json.dump({name: known[name](messages) for name, messages in asked.items()}, sys.stdout)


if __name__ == "__main__":
    main()
