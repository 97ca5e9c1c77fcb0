"""The floor: aiohttp with one handler that returns the same bytes for ever.

python -m tests.benchmarks.http_floor PORT BYTES
"""

from __future__ import annotations

import sys

from aiohttp import web


def main() -> None:
    port, size = map(int, sys.argv[1:])
    body = b'"' + b"x" * (size - 2) + b'"'

    async def same(request: web.Request) -> web.Response:
        return web.Response(body=body, content_type="application/json")

    app = web.Application()
    app.router.add_get("/", same)
    web.run_app(app, host="127.0.0.1", port=port, access_log=None, print=lambda text: None)


if __name__ == "__main__":
    main()
