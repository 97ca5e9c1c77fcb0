"""Whatever clients send, in any order, however writing turns out: nothing raises, bounds and proofs hold."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.protocol.bayeux.bounds import Bounds
from gateway.protocol.bayeux.messages import NotABatch, parse
from gateway.protocol.bayeux.outcome import Outcome, TakeBack
from gateway.protocol.bayeux.publication import Told
from gateway.protocol.bayeux.server import BayeuxServer
from gateway.protocol.bayeux.session import Line, Parcel, Written

BOUNDS = Bounds(
    sessions=4, sessions_per_address=3, subscriptions=3, queue=3, queue_bytes=200, queued_bytes=500
)
CHANNELS = st.sampled_from(["/a", "/a/b", "/a/*", "/**", "/secret/x", "/meta/connect", "nothing", "/a/"])
#: Client ids are counted, so that some of these are alive; it begins with c1 to c3.
CLIENTS = st.integers(1, 5).map(lambda number: f"c{number}")

junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
proper = st.one_of(
    st.just({"channel": "/meta/handshake", "version": "1.0", "supportedConnectionTypes": ["websocket"]}),
    st.fixed_dictionaries(
        {"channel": st.just("/meta/connect"), "clientId": CLIENTS, "connectionType": st.just("websocket")},
        optional={"advice": st.fixed_dictionaries({"timeout": st.sampled_from([0, 3000, 1e9, -5])})},
    ),
    st.fixed_dictionaries(
        {
            "channel": st.sampled_from(["/meta/subscribe", "/meta/unsubscribe"]),
            "clientId": CLIENTS,
            "subscription": CHANNELS | st.lists(CHANNELS, max_size=4),
        },
        optional={"ext": st.fixed_dictionaries({"authentication_token": st.sampled_from(["key", "no"])})},
    ),
    st.fixed_dictionaries({"channel": st.just("/meta/disconnect"), "clientId": CLIENTS}),
    st.fixed_dictionaries({"channel": CHANNELS, "clientId": CLIENTS, "data": junk}),
)
#: A good message of which one field is something else.
spoilt = st.tuples(
    proper,
    st.sampled_from(["channel", "id", "clientId", "version", "subscription", "advice", "ext"]),
    junk,
).map(lambda parts: {**parts[0], parts[1]: parts[2]})
request = st.tuples(
    st.just("request"),
    st.lists(proper | proper | spoilt | junk, max_size=4),
    st.sampled_from(["10.0.0.1", "10.0.0.2"]),
    st.booleans(),
)
connect = st.tuples(st.just("connect"), st.sampled_from(["c1", "c2", "c4"]), st.booleans())
publish = st.tuples(st.just("publish"), st.sampled_from(["/a", "/a/b", "/secret/x"]))
step = st.one_of(
    request,
    connect,
    connect,
    publish,
    publish,
    st.tuples(st.just("wait"), st.sampled_from([1, 5, 50])),
    st.tuples(st.just("lose")),
    st.tuples(st.just("revoke")),
    st.tuples(st.just("turn_out"), st.sampled_from([*Written, None])),
    st.tuples(st.just("finish")),
    st.tuples(st.just("take_back")),
)
#: A channel that is for one listener.
FOR_ONE = "/a/b"


class Watched:
    """A server, and everything that was written or told."""

    def __init__(self) -> None:
        self.made = 0
        self.now = 0.0
        self.is_revoked = False
        self.writing: Written | None = Written.YES  # how it turns out; None: it takes until `finish`
        self.under_way: list[Parcel] = []
        self.lines: list[Line] = []
        self.published = 0
        self.written: Counter[tuple[str, str]] = Counter()
        self.reached: dict[Written, set[int]] = {written: set() for written in Written}
        self.told: dict[int, list[Outcome]] = {}
        self.heard: set[str] = set()
        self.taken_back: set[int] = set()
        self.too_late: list[int] = []  # written after it was taken back
        self.takes_back: list[TakeBack] = []
        self.server = BayeuxServer(
            may_subscribe=self._may_subscribe, new_id=self._new_id, bounds=BOUNDS,
            is_for_one=lambda channel: channel == FOR_ONE,
        )  # fmt: skip

    def _may_subscribe(self, channel: str, token: str | None) -> bool:
        return channel != "/secret/x" or (token == "key" and not self.is_revoked)

    def _new_id(self) -> str:
        self.made += 1
        return f"c{self.made}"

    def furnish(self) -> None:
        """Three clients, two of them with a subscription."""
        hello = {"channel": "/meta/handshake", "version": "1.0", "supportedConnectionTypes": ["websocket"]}
        for client, channel in (("c1", "/a"), ("c2", "/**"), ("c3", "/meta/none")):
            subscribe = {"channel": "/meta/subscribe", "clientId": client, "subscription": channel}
            self.request([hello, subscribe], "10.0.0.1", False)

    def connect(self, client: str, is_stream: bool) -> None:
        message = {"channel": "/meta/connect", "clientId": client, "connectionType": "websocket"}
        self.request([message], "10.0.0.1", is_stream)

    def request(self, batch: list[Any], address: str, is_stream: bool) -> None:
        line = Line(address, is_stream)
        self.lines.append(line)
        try:
            parsed = parse(json.dumps(batch), BOUNDS)
        except NotABatch:
            return
        parcel = self.server.receive(parsed, line, self.now)
        if parcel is not None:
            self.write(parcel)

    def publish(self, channel: str) -> None:
        number = self.published = self.published + 1
        self.told[number] = []
        self.takes_back.append(self.server.publish(channel, {"n": number}, self.told[number].append))

    def take_back(self) -> None:
        """The newest message, as far as it is not with a transport already."""
        if self.takes_back:
            self.takes_back[-1]()
            under_way = [message for parcel in self.under_way for message in json.loads(parcel.text)]
            if not any(message.get("data") == {"n": self.published} for message in under_way):
                self.taken_back.add(self.published)

    def wait(self, seconds: int) -> None:
        for _ in range(seconds):
            self.now += 1.0
            self.server.tick(self.now)
            self.collect()

    def lose(self) -> None:
        if self.lines:
            self.server.lose(self.lines[-1], self.now)

    def turn_out(self, written: Written | None) -> None:
        self.writing = written

    def revoke(self) -> None:
        self.is_revoked = not self.is_revoked

    def finish(self) -> None:
        written = self.writing
        self.writing = Written.NO if written is None else written
        parcels, self.under_way = self.under_way, []
        for parcel in parcels:
            self.write(parcel)
        self.writing = written

    def write(self, parcel: Parcel) -> None:
        if self.writing is None:
            self.under_way.append(parcel)
            return
        for message in json.loads(parcel.text):
            if "data" in message:
                number = message["data"]["n"]
                self.reached[self.writing].add(number)
                if number in self.taken_back:
                    self.too_late.append(number)
        if self.writing is not Written.NO:
            for session, publication in parcel.deliveries:
                whose = "anybody's" if publication.for_one else session.client_id
                self.written[whose, publication.text] += 1
        self.server.settle(parcel, self.writing)

    def collect(self) -> None:
        for parcel in self.server.collect(self.now):
            self.write(parcel)
        for event in self.server.take_events():
            if isinstance(event, Told):
                event.on_outcome(event.outcome)
            elif event.is_heard:
                assert event.channel not in self.heard
                self.heard.add(event.channel)
            else:
                self.heard.remove(event.channel)

    def check(self) -> None:
        assert len(self.server) <= BOUNDS.sessions
        assert self.server.queued_bytes <= 2 * BOUNDS.queued_bytes  # what was put back comes on top
        assert all(times == 1 for times in self.written.values())
        assert self.too_late == []
        assert all(self.server.has_listener(channel) for channel in self.heard if "*" not in channel)


@settings(max_examples=150, deadline=None)
@given(st.lists(step, min_size=10, max_size=50))
def test_any_order(steps: list[Any]) -> None:
    watched = Watched()
    watched.furnish()
    for name, *arguments in steps:
        getattr(watched, name)(*arguments)
        watched.collect()
        watched.check()
    watched.finish()
    watched.wait(200)
    watched.finish()
    watched.collect()
    assert len(watched.server) == 0
    assert watched.server.queued_bytes == 0
    assert watched.heard == set()
    for number, outcomes in watched.told.items():
        assert len(outcomes) == 1
        got, doubted = number in watched.reached[Written.YES], number in watched.reached[Written.MAYBE]
        assert outcomes[0].is_never_sent == (not got and not doubted)
        assert (outcomes[0] is Outcome.DELIVERED) == got


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=60) | st.binary(max_size=60) | junk.map(json.dumps))
def test_any_text(text: str | bytes) -> None:
    watched = Watched()
    try:
        parcel = watched.server.receive(parse(text, BOUNDS), Line("10.0.0.1"), 0.0)
    except NotABatch:
        return
    assert parcel is not None
    assert isinstance(json.loads(parcel.text), list)
