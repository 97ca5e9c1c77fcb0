"""How long a client is waited for, and how much of everything it may have: one field a bound."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bounds:
    """The bounds of a server; tests make them small."""

    #: Seconds that a connect is held open at most, and what is advised. 45 is in all of Faye's examples, lies
    #: below the 60 after which proxies cut, and makes 500 clients 12 requests a second.
    timeout: float = 45.0
    #: Share by which a hold is shortened, up to this, by client: those who came together after a restart
    #: drift apart, and do not all come again in the same second.
    spread: float = 0.2
    #: Seconds that a client may stay away between two connects. With `timeout` it is Faye's own patience,
    #: twice the timeout (Faye 1.4, `engines/memory.js`).
    grace: float = 45.0
    #: Seconds after which a client that was turned away, or was told to go, is to come again.
    retry_after: float = 5.0

    #: Clients in all. A farm has hundreds of printers, each with one; 2,000 are some MB.
    sessions: int = 2000
    #: Clients of one address: a farm behind one proxy must fit, one stranger must not take all.
    sessions_per_address: int = 1000
    #: Channels of one client; a printer has two.
    subscriptions: int = 32
    #: Messages that wait for one client; a printer has a handful of commands open at most.
    queue: int = 64
    #: Bytes that wait for one client: two job starts with the largest settings a request can have brought.
    queue_bytes: int = 512 * 1024
    #: Bytes that wait for all clients together.
    queued_bytes: int = 32 * 1024 * 1024

    #: Messages in one request; Faye's client sends its subscriptions in one, bounded at 2,048 bytes.
    batch: int = 64
    #: Bytes of one request or websocket message: a full batch of subscriptions is a quarter of it.
    request_bytes: int = 64 * 1024


#: Characters of a channel name; `/printers/2147483647/command` has 28.
CHANNEL_CHARS = 200
#: Characters of a message id, a client id, a version or a connection type; Faye's are 31 at most.
WORD_CHARS = 128
#: Characters of a token; a printer's has 43.
TOKEN_CHARS = 1024
#: Connection types that one handshake may name; Faye knows six.
CONNECTION_TYPES = 16
#: Channels that one message may name; a client may have half as many.
CHANNELS = 64
