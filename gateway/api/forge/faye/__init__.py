"""The Bayeux server at `/faye` over HTTP: long-polling, callback-polling, websockets."""
