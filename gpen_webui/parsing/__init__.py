"""The network that tells the parts of a face, and the files that fill it."""
