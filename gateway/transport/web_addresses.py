"""Which addresses the gateway may connect to when somebody else names them. Pure.

Whoever hands in a job names addresses that this host then connects to: without a rule, an app could reach
what only this host reaches (the printers, the router, services on loopback). Refused is what the IANA
special-purpose address registries call not globally reachable (RFC 6890 and its updates: IPv4 and IPv6), and
the forms of IPv6 that carry an IPv4 address inside: where they end is for another machine to say.
"""

from __future__ import annotations

import socket
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final

Address = IPv4Address | IPv6Address

#: Not of the public internet, with the registry's names.
_SPECIAL_4: Final = tuple(
    map(
        IPv4Network,
        (
            "0.0.0.0/8",  # this network; 0.0.0.0 connects to this host
            "10.0.0.0/8",  # private use
            "100.64.0.0/10",  # shared address space (CGNAT, RFC 6598)
            "127.0.0.0/8",  # loopback
            "169.254.0.0/16",  # link-local; clouds keep credentials at 169.254.169.254
            "172.16.0.0/12",  # private use
            "192.0.0.0/24",  # IETF protocol assignments
            "192.0.2.0/24",  # documentation
            "192.88.99.0/24",  # 6to4 relay anycast, deprecated
            "192.168.0.0/16",  # private use
            "198.18.0.0/15",  # benchmarking
            "198.51.100.0/24",  # documentation
            "203.0.113.0/24",  # documentation
            "224.0.0.0/4",  # multicast
            "240.0.0.0/4",  # reserved, and the broadcast address
        ),
    )
)
#: The only IPv6 addresses given out as public ones (RFC 4291, IANA): all else is special. That leaves out
#: loopback, ::ffff:0:0/96 (mapped), ::/96 (compatible), 64:ff9b::/96 and /48 (NAT64), fc00::/7, fe80::/10,
#: fec0::/10 and ff00::/8.
_PUBLIC_6: Final = IPv6Network("2000::/3")
_SPECIAL_6: Final = tuple(
    map(
        IPv6Network,
        (
            "2001::/23",  # IETF protocol assignments: Teredo, benchmarking, ORCHID
            "2001:db8::/32",  # documentation
            "2002::/16",  # 6to4: an IPv4 address inside
            "3fff::/20",  # documentation
        ),
    )
)
#: What no program listens at: refused whatever is allowed.
_NOWHERE: Final = (IPv4Network("0.0.0.0/8"), IPv4Network("224.0.0.0/4"), IPv4Network("240.0.0.0/4"))
_NOWHERE_6: Final = (IPv6Network("::/128"), IPv6Network("ff00::/8"))


def is_allowed(address: Address, *, is_private_allowed: bool) -> bool:
    """Whether the gateway may connect there because somebody else said so."""
    if is_private_allowed:
        inner = address.ipv4_mapped if isinstance(address, IPv6Address) else None
        return not _is_nowhere(inner or address)
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _SPECIAL_4)
    if address.scope_id is not None or address not in _PUBLIC_6:
        return False
    return not any(address in network for network in _SPECIAL_6)


def _is_nowhere(address: Address) -> bool:
    if isinstance(address, IPv4Address):
        return any(address in network for network in _NOWHERE)
    return any(address in network for network in _NOWHERE_6)


def literal_address(host: str) -> Address | None:
    """The address that a URL's host spells, in any spelling a resolver may take; None: it is a name.

    `127.1`, `2130706433`, `0x7f000001` and `0177.0.0.1` are all 127.0.0.1 (inet_aton(3)).
    """
    bare = host.removeprefix("[").removesuffix("]").rstrip(".")
    try:
        return ip_address(bare)
    except ValueError:
        pass
    if not bare or not bare.isascii() or not bare[0].isdigit():
        return None
    try:
        return IPv4Address(socket.inet_aton(bare))
    except OSError:
        return None
