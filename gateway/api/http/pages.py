"""How pages for people are made: plain HTML that needs no script, in one style, and its headers.

Everything that comes from outside goes through `escape`. Nothing is loaded; the style is allowed by its hash.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from html import escape
from typing import Final

from aiohttp import web

_STYLE: Final = """
:root { color-scheme: light dark; }
body { font: 1.05rem/1.5 system-ui, sans-serif; max-width: 30rem; margin: 2.5rem auto; padding: 0 1rem; }
h1 { font-size: 1.35rem; line-height: 1.3; }
h2 { font-size: 1.1rem; margin: 1.8rem 0 0; }
p { margin: .7rem 0; }
pre { overflow-x: auto; padding: .6rem .8rem; border: 1px solid; border-radius: .3rem; font-size: .9rem; }
label { display: block; margin-top: .9rem; }
input { font: inherit; width: 100%; box-sizing: border-box; padding: .45rem; }
button { font: inherit; padding: .5rem 1.2rem; margin: 1.2rem .6rem 0 0; }
.trouble { border-left: .3rem solid #c00; padding-left: .7rem; }
.small { font-size: .9rem; }
"""
_STYLE_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode("ascii")


def page(title: str, *parts: str) -> str:
    """A whole page. `title` is text, the parts are HTML; empty ones are left out."""
    shown = title if title == "Print Gateway" else f"{title} - Print Gateway"
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(shown)}</title><style>{_STYLE}</style></head>\n"
        f"<body><main>\n{chr(10).join(part for part in parts if part)}\n</main></body></html>\n"
    )


def answer(html: str, *, status: int = 200, forms_to: Iterable[str] = ()) -> web.Response:
    """A page that no other page can frame, and from which forms lead to these sources (CSP) alone."""
    forms = " ".join(forms_to) or "'none'"
    policy = (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action {forms}; "
        "base-uri 'none'; frame-ancestors 'none'"
    )
    return web.Response(
        text=html,
        status=status,
        content_type="text/html",
        charset="utf-8",
        headers={"Content-Security-Policy": policy, "X-Frame-Options": "DENY"},
    )
