"""Photos: opened, described, and encoded again; the only package that talks to Pillow."""
