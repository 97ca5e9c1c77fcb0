"""The gateway's own API: everything it knows and does. The command line and the web page use only this."""
