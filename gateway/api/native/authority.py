"""What a member may do and an app that acts for it may not: change who else may act."""

from __future__ import annotations

from gateway.api.http.operations import AnyCall
from gateway.api.http.problems import Failure


def refuse_apps(call: AnyCall) -> None:
    """Raises Failure 403 for tokens of apps, of this authorization server or of another issuer.

    A key, and a peer of the Unix socket, are the member itself.
    """
    app_id = call.principal.app_id
    if not call.principal.is_admin and app_id is not None and app_id not in call.services.engine.state.keys:
        raise Failure(403, "An app may not do this; use a key, or print-gateway on the printers' host.")
