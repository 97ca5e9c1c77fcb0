"""Printers that call in: they post how they are, and are told what to do over Bayeux (Forge API 2.3).

    posts (HTTP)        -> driver.ForgeDriver -> caller.Caller -> observations -> engine
    orders (engine)     -> driver.ForgeDriver -> caller.Caller -> messages on /printers/<id>/command

`caller` is where to begin: all that is known of one printer, without I/O and clock. `prints` knows what is on
its machine, `asked` which commands it has yet to answer, `words` what the words of its posts mean.
"""
