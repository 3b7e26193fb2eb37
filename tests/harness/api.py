"""A client of counter-svc. It checks every answer against proto/counter-api.yml."""

import itertools
from urllib.parse import quote, urlencode

from . import contract
from .http import MEDIA_JSON, ask, encoded
from .services import TOKEN
from .wait import PATIENCE_S, Later

BEARER = {"Authorization": f"Bearer {TOKEN}"}

_request_ids = itertools.count(1)


class Api:
    """Batches and their answers have this media type."""

    def __init__(self, address, media_type=MEDIA_JSON):
        self.address = address
        self.media_type = media_type

    def ask(self, method, target, body=None, headers=None, timeout=PATIENCE_S):
        """Sends one request with the token. A `body` that is not bytes is encoded first."""
        headers = {**BEARER, "X-Request-Id": f"test-{next(_request_ids)}", **(headers or {})}
        if body is not None and not isinstance(body, bytes):
            body = encoded(body, self.media_type)
        if body is not None:
            headers = {"Content-Type": self.media_type, "Accept": self.media_type, **headers}
        answer = ask(self.address, method, target, headers, body, timeout)
        contract.COUNTER.check(method, target, answer)
        assert answer.header("x-request-id") == headers["X-Request-Id"]
        return answer

    # --- lanes and batches

    def lane(self):
        """Opens a lane and returns its id."""
        answer = self.ask("POST", "/v1/lanes")
        assert answer.status == 201, answer.start
        document = answer.json()
        assert document["sequence"] == 0
        return document["lane"]

    def post(self, lane, sequence, hits, timeout=PATIENCE_S, query="", bots=None):
        """Sends a batch (path → hits, and path → hits of bots among them) and returns the answer, whatever
        its status."""
        paths = sorted(hits, key=lambda path: path.encode())
        batch = {"lane": lane, "sequence": sequence, "paths": paths, "hits": [hits[path] for path in paths]}
        if bots is not None:
            batch["bot_hits"] = [bots.get(path, 0) for path in paths]
        return self.ask("POST", f"/v1/hits{query}", batch, timeout=timeout)

    def post_later(self, lane, sequence, hits, timeout=60):
        """Like post(), in the background."""
        return Later(self.post, lane, sequence, hits, timeout)

    def count(self, hits, lane=None, sequence=1):
        """Counts a batch, by default on a new lane. Returns path → count."""
        return counts_of(self.post(lane or self.lane(), sequence, hits), hits)

    def count_all(self, hits, size=50):
        """Counts any number of paths on a new lane, in batches of a limited size."""
        lane, paths = self.lane(), list(hits)
        for sequence, first in enumerate(range(0, len(paths), size), 1):
            self.count({path: hits[path] for path in paths[first:first + size]}, lane, sequence)

    # --- reading

    def view(self, **query):
        answer = self.ask("GET", "/v1/paths" + ("?" + urlencode(query, quote_via=quote) if query else ""))
        assert answer.status == 200, f"{query}: {answer.start} {answer.body[:300]!r}"
        return answer.json()

    def pages(self, **query):
        """Every (path, count) of a view, read page by page."""
        rows, after = [], None
        while True:
            page = self.view(**query, **({"after": after} if after is not None else {}))
            assert len(page["paths"]) == len(page["counts"]) <= query.get("limit", 1000)
            rows += zip(page["paths"], page["counts"])
            after = page["next"]
            if after is None:
                return rows
            assert page["paths"], "an empty page that is not the last"

    def pages_back(self, **query):
        """The same, read from the last page to the first."""
        rows, page = [], self.view(**query)
        while page["next"] is not None:
            page = self.view(**query, after=page["next"])
        while True:
            rows = list(zip(page["paths"], page["counts"])) + rows
            if page["previous"] is None:
                return rows
            page = self.view(**query, before=page["previous"])
            assert page["next"] is not None or not page["paths"]

    def get(self, path):
        """The details of one path, or None if it was never hit."""
        assert path.startswith("/")  # which the place of the path in the URL stands for
        answer = self.ask("GET", "/v1/paths/" + quote(path[1:], safe=""))
        if answer.status == 404:
            return None
        assert answer.status == 200 and answer.json()["path"] == path
        return answer.json()

    def get_count(self, path):
        """The count of one path, or None if it was never hit."""
        row = self.get(path)
        return row and row["count"]

    def totals(self):
        """The numbers of paths and hits."""
        answer = self.ask("GET", "/v1/totals")
        assert answer.status == 200, answer.start
        return {name: answer.json()[name] for name in ("paths", "hits")}


def counts_of(answer, hits):
    """path → count of an answer to a batch, which must be a 200."""
    assert answer.status == 200, f"{answer.start} {answer.body[:300]!r}"
    return dict(zip(sorted(hits, key=lambda path: path.encode()), answer.document()["counts"]))
