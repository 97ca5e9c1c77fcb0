"""Conversio's async jobs: the gateway's tasks, polled by their ids."""
