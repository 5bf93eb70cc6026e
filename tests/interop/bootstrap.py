"""An independent consumer: builds the present state of every entity from the log, then asks the service entity by entity.

Knows nothing but what is documented: GET /v1/events?after=0 gives the last event of each entity that retention left, then
every change; `Link: rel="next"` is followed as it stands; 410 means that this position is gone, so begin again from 0.

usage: bootstrap.py BASE KEY ACCOUNT. Says "caught up" when there is no next page, waits for a line on standard input, reads
on to the end, and prints what it found as JSON.
"""

import http.client
import json
import re
import sys
import time
from urllib.parse import urlsplit, quote


class Api:
    def __init__(self, base, key):
        self.connection = http.client.HTTPConnection(urlsplit(base).netloc, timeout=60)
        self.headers = {"Authorization": f"Bearer {key}", "Accept": "application/json"}

    def get(self, path):
        while True:
            status, headers, body = self.once(path)
            if status != 429:
                return status, headers, body
            # A key may ask so often and no more; who asks for every entity by itself is told to wait.
            time.sleep(int(headers["Retry-After"]))

    def once(self, path):
        try:
            self.connection.request("GET", path, headers=self.headers)
            answer = self.connection.getresponse()
        except (http.client.RemoteDisconnected, ConnectionError):
            # The service ends a connection that was idle for long; reading again does no harm.
            self.connection.close()
            self.connection.request("GET", path, headers=self.headers)
            answer = self.connection.getresponse()
        return answer.status, answer.headers, json.loads(answer.read())


class State:
    def __init__(self):
        self.entities = {}
        self.after = 0
        self.events = self.pages = self.restarts = 0

    def take(self, event):
        if event["sequence"] <= self.after:
            raise SystemExit(f"sequence {event['sequence']} follows {self.after}")
        self.after = event["sequence"]
        self.events += 1
        known = self.entities.get(event["subject"])
        if known is None or known["revision"] < event["revision"]:
            self.entities[event["subject"]] = event

    def read_on(self, api):
        """Reads pages from where it stands until there is no next one."""
        path = f"/v1/events?after={self.after}&limit=1000"
        while path:
            status, headers, body = api.get(path)
            if status == 410:
                # Changes are missing from here on, so what is known may be of entities that have changed: all of it again.
                self.after = 0
                self.restarts += 1
                path = "/v1/events?after=0&limit=1000"
                continue
            if status != 200:
                raise SystemExit(f"{path}: {status} {body}")
            self.pages += 1
            for event in body["events"]:
                self.take(event)
            self.after = max(self.after, body["next"])
            link = re.match(r'<([^>]+)>;\s*rel="?next"?', headers.get("Link", ""))
            path = link and link.group(1)


def differences(state, api, account):
    for subject, event in sorted(state.entities.items()):
        kind, _, name = subject.partition("/")
        status, _, now = api.get(f"/v1/entities/{kind}/{quote(name, safe='')}?account={account}")
        wanted = (200, event["revision"], event["sequence"], event["data"]["object"])
        if (status, now.get("revision"), now.get("sequence"), now.get("object")) != wanted:
            yield subject


def main():
    base, key, account = sys.argv[1:]
    api, state = Api(base, key), State()
    state.read_on(api)
    print("caught up", flush=True)
    sys.stdin.readline()
    state.read_on(api)
    differ = list(differences(state, api, account))
    found = {
        "entities": len(state.entities),
        "after": state.after,
        "events": state.events,
        "pages": state.pages,
        "restarts": state.restarts,
        "differ": differ[:10],
    }
    print(json.dumps(found), flush=True)


main()
