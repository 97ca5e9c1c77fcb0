"""The Forge 3D Print API v1, as the service had it until 2017.

apps       jobs, printers, files, members: the side that apps call
firmware   what printers that call in post
faye       messages to both of them (Bayeux)
printdb    the database of kinds of printers
"""
