"""Teach a network to find where prints are damaged."""
