"""Bayeux 1.0, the server's side: what Faye and CometD clients speak at `/faye`. No I/O: batches in and out.

`server.BayeuxServer` is where to begin; `outcome` is what a publisher needs. Sources: the Bayeux protocol
1.0 specification (docs.cometd.org), and Faye 1.4's `src/protocol/server.js` where that leaves a choice: the
service whose clients come here ran Faye.
"""
