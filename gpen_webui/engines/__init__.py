"""Engines run a network: degraded crops in, restored crops out."""
