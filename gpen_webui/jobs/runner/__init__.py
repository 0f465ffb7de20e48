"""Carries jobs out: what users ask for, and the pool that restores their photos."""
