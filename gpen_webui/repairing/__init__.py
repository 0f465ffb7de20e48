"""Repair old prints: find scratches and dust, fill them in, even out what has faded."""
