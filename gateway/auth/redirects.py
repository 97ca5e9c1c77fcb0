"""Which addresses an app may be registered with: browsers go there with a code or a token."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

#: Addresses of one app: a few for development, test and use.
REDIRECT_URIS = 20
#: Characters of one; browsers and proxies carry no more.
URI_CHARS = 2000
#: RFC 3986 2.
_URI_CHARACTERS = re.compile(r"[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]+", re.ASCII)
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*", re.ASCII)
#: A host that a Content-Security-Policy can name.
_PLAIN_HOST = re.compile(r"[A-Za-z0-9.-]+(:[0-9]+)?", re.ASCII)
#: What a browser runs or shows instead of going anywhere.
_DANGEROUS = frozenset(
    {"javascript", "data", "vbscript", "file", "about", "blob", "view-source", "filesystem"}
)


def redirect_uri_fault(uri: str) -> str | None:
    """What is wrong with an address (RFC 6749 3.1.2, RFC 8252 7.1), for people; None: nothing."""
    if len(uri) > URI_CHARS or not _URI_CHARACTERS.fullmatch(uri):
        return "it holds characters that no URI has; percent-encode them"
    try:
        parts = urlsplit(uri)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "it is no URI; write it like https://app.example/signed-in"
    if not _SCHEME.fullmatch(parts.scheme) or uri.partition(":")[0] != parts.scheme:
        return (
            "it needs a scheme in small letters, such as https://app.example/ or com.example.app:/signed-in"
        )
    if parts.scheme in _DANGEROUS:
        return f"{parts.scheme}: is not an address of an app"
    if "#" in uri:
        return "it must not have a fragment (#...)"
    if parts.scheme in ("http", "https") and (not host or "@" in parts.netloc):
        return "it needs a host and no user name; write it like https://app.example/signed-in"
    if parts.scheme not in ("http", "https") and not (parts.netloc or parts.path):
        return "it needs something behind the scheme, such as com.example.app:/signed-in"
    return None


def form_target(uri: str) -> str:
    """What a page's policy calls the place a form's answer leads to (CSP 3 6.4.2: redirects count)."""
    parts = urlsplit(uri)
    if parts.scheme in ("http", "https") and _PLAIN_HOST.fullmatch(parts.netloc):
        return f"{parts.scheme}://{parts.netloc}"
    return f"{parts.scheme}:"
