"""Trains and measures the network that enlarges and cleans whole photos."""
