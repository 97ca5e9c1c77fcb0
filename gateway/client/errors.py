"""What can go wrong between a client and the gateway, by whose turn it is.

ClientError
├── GatewayUnreachable   nobody answered, or what answered is no Print Gateway
└── Refused              the gateway understood and said no (problem+json, RFC 9457)
"""

from __future__ import annotations


class ClientError(Exception):
    """The call did not do what it was for. The text is for people and says what to do."""


class GatewayUnreachable(ClientError):
    """Nothing was heard, or nothing that makes sense; whether it arrived is not known."""


class Refused(ClientError):
    """The gateway's own answer: `status` is HTTP's, `detail` its sentence."""

    def __init__(self, status: int, title: str, detail: str) -> None:
        super().__init__(detail or title)
        self.status = status
        self.title = title
        self.detail = detail
