"""Measures this machine: `./run.sh bench`."""
