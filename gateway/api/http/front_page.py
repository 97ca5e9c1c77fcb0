"""`/`: what a person finds who follows a printer's `registration_url`, or types the host into a browser.

The same page for everybody: it tells nothing of this gateway, its printers, or its version.
"""

from __future__ import annotations

from typing import Final

from aiohttp import web

from gateway.api.http import pages

_PRINTERS: Final = """\
<h1>This is a print gateway</h1>
<p>It drives the 3D printers of this place and keeps their queue. Apps and the command line talk to it;
there is nothing to sign in to on this page.</p>
<h2>Your printer shows a code</h2>
<p>Whoever registers the code owns the printer here. Apps for such printers have a place to type it in.
Without one, on the computer that the gateway runs on:</p>
<pre>sudo print-gateway printers register CODE \\
     --name "My printer" --owner NAME</pre>
<p>CODE is what the display shows, NAME the member whose printer it is:
<code>sudo print-gateway members list</code> has them. From another computer it is the same command with
<code>--url</code>, your key, and no <code>--owner</code>: the printer is yours then.</p>
<p>A code is good for a day, once. A printer that is switched off and on shows one that is good.</p>"""

_PROGRAMS: Final = """\
<h2>You write a program</h2>
<p>Everything that is answered here is described in <a href="openapi.json">openapi.json</a>. A code is
registered by <code>POST /gateway/v1/printers</code> with <code>{"code": "CODE"}</code> as JSON and a key
as <code>Authorization: Bearer KEY</code>.</p>"""

_HTML: Final = pages.page("Print Gateway", _PRINTERS, _PROGRAMS)


async def show_front_page(request: web.Request) -> web.Response:
    """For everybody."""
    return pages.answer(_HTML)
