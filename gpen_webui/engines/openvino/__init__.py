"""The engine for CPUs: OpenVINO, on a graph made from our own network."""
