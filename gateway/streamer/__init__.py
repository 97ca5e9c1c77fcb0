"""The process that hosts serial drivers: its socket protocol, its host and client, the line record."""
