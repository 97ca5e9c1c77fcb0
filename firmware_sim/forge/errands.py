"""Files that go over the network outside of the API: prints and packages in, logs out."""

from __future__ import annotations

import gzip

from firmware_sim.forge.acts import Downloaded
from firmware_sim.forge.printables import Printable
from firmware_sim.forge.web import NoAnswer, Web

FILE_SECONDS = 600.0
"""A large file over a slow line."""


async def download(web: Web, url: str, redirects: int) -> Downloaded:
    """The file behind `url`, looked at and not kept; a file that broke off counts as none (status 0)."""
    file = Printable()
    try:
        status = await web.fetch(url, file.feed, seconds=FILE_SECONDS, redirects=redirects)
    except NoAnswer:
        return Downloaded(0, file.size)
    return Downloaded(status, file.size, file.sha256, file.layers())


async def upload_logs(web: Web, url: str) -> int:
    """PUT a log archive; the status, 0 if there was no answer."""
    archive = gzip.compress(b"The log of a simulated printer.\n", mtime=0)
    headers = {"Content-Type": "application/gzip"}
    try:
        answer = await web.request("PUT", url, headers=headers, body=archive, seconds=FILE_SECONDS)
    except NoAnswer:
        return 0
    return answer.status
