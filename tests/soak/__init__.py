"""Many photos and many clients, for a long time."""
