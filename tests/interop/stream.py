"""Follows the stream at argv[1] with the key argv[2] by httpx-sse until the event argv[3], however often the connection breaks.

Prints the id of each event in a line.
"""

import sys
import time

try:
    import httpx
    from httpx_sse import connect_sse
except ImportError:
    sys.exit(77)

url, key, until = sys.argv[1:]
headers = {"Authorization": f"Bearer {key}"}
with httpx.Client(timeout=30) as client:
    last = None
    while last != until:
        resumed = headers | ({"Last-Event-ID": last} if last else {})
        try:
            with connect_sse(client, "GET", url, headers=resumed) as source:
                for event in source.iter_sse():
                    last = event.id
                    if event.data:
                        print(event.id)
                    if last == until:
                        break
        except httpx.TransportError:
            time.sleep(0.05)
