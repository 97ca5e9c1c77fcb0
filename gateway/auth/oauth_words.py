"""What an app's developer can do about an error of OAuth, where oauthlib names it and says no more.

RFC 6749 5.2 allows ASCII without quotation marks and backslashes in an `error_description`. Which of several
reasons it was is not told: who guesses codes would learn from it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

WHAT_TO_DO: Final[Mapping[str, str]] = {
    "invalid_client": (
        "client_id and client_secret are not those of an app in use; print-gateway apps list shows the apps."
    ),
    "invalid_grant": (
        "The code or token is unknown, used, expired or withdrawn, or does not fit this app, redirect_uri or "
        "code_verifier; begin again at oauth/authorize."
    ),
    "unauthorized_client": (
        "The app was not registered for this; a token in the address needs apps create --allow-implicit."
    ),
    "unsupported_grant_type": "authorization_code, refresh_token and client_credentials are served.",
    "unsupported_response_type": "code is served, and token for apps that were registered for it.",
    "invalid_scope": (
        "The app may ask for data:read, data:write, read_async_jobs and public, as far as it was registered "
        "for them."
    ),
}


def explained(answer: str, status: int) -> str:
    """The JSON of an answer; that of an error says what to do."""
    if status < 400:
        return answer
    told: dict[str, Any] = json.loads(answer)
    if words := WHAT_TO_DO.get(told["error"]):
        told.setdefault("error_description", words)
    return json.dumps(told)
