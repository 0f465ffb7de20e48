"""Weight files: which are published, which are installed, and how they are fetched."""
