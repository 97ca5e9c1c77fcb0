"""Rows to domain objects and back, and the content of files. Decides nothing."""
