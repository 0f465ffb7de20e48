"""The model: its network, written from the paper, and the checkpoints that fill it."""
