"""How much of everything a client may send or ask for. One constant a bound, with unit and reason."""

from __future__ import annotations

from typing import Final

#: Bytes of a JSON or form body. The largest documented one is a status post with 5,000 characters of `data`.
BODY_BYTES: Final = 256 * 1024
#: Seconds that a JSON or form body may take, and that may pass between two pieces of an upload: what comes
#: slower over any network has lost its way, and would hold a connection.
BODY_SECONDS: Final = 30.0
STALL_SECONDS: Final = 60.0
#: Seconds that a connection may be open between two requests, half a request's head included. aiohttp's own
#: is an hour: a thousand silent connections would be all that this process may open.
IDLE_SECONDS: Final = 75.0
#: Bytes of one header line (and of the request line). A list of all eleven statuses URL-encoded is 200.
HEADER_BYTES: Final = 8190
#: Rows of a page when the client names none (Forge: GET jobs, example).
PAGE_DEFAULT: Final = 20
#: Rows of a page in the native API. Forge has no documented maximum; there, long pages are streamed.
PAGE_MAX: Final = 1000
#: Rows built and written at a stretch in a streamed list: about a millisecond of the event loop.
STREAM_ROWS: Final = 100
#: Rows fetched at a time for a streamed list: 3 ms of the reading thread; bounds memory too.
FETCH_ROWS: Final = 200
#: Largest number accepted for a limit, an offset or an id: ids stay below 2**31 on every surface.
INTEGER_MAX: Final = 2**31 - 1
#: Characters of a name (job, file, member, key): what printers and slicers show is far shorter.
NAME_CHARS: Final = 200
#: Characters of a URL or URN in a body: what browsers and proxies carry at most.
TEXT_CHARS: Final = 2000
#: Bytes, as JSON, of an object that is kept with a job or a command: settings, an app's own data. They stay
#: in memory while the job waits; a printer's own settings are a tenth of it.
OBJECT_BYTES: Final = 20_000
#: Characters of an `Idempotency-Key`; a UUID has 36.
IDEMPOTENCY_KEY_CHARS: Final = 255
#: Characters of a caller's `X-Request-Id` that are taken over.
REQUEST_ID_CHARS: Final = 64
#: Bytes read at a time from an upload: measured best between 64 KiB and 1 MiB.
UPLOAD_CHUNK: Final = 256 * 1024
#: Bytes of a text field beside an upload's file.
FORM_FIELD_BYTES: Final = 4096
#: Fields of a multipart upload, the file included.
FORM_FIELDS: Final = 16
#: Registration codes that one member may try. Of 26**6 a year at this rate finds one in sixty.
CODE_ATTEMPTS: Final = "10/minute"
#: First contacts of printers from one address: a farm behind one, switched on together, is in within minutes.
CONTACT_ATTEMPTS: Final = "30/minute"
#: Seconds after which a client should try again when the store cannot write (a person empties disks).
RETRY_AFTER: Final = 5
#: Events an SSE client may be behind; beyond it is told to read the lists anew (`resync`).
REPLAY_EVENTS: Final = 10_000
#: Events read from the store at a time for a client that catches up.
REPLAY_PAGE: Final = 500
#: Seconds between heartbeat comments on a silent event stream; proxies cut at 30 to 60.
HEARTBEAT: Final = 15.0
