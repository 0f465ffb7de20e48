"""Pages, HTTP API, progress, guard; the only package that imports Flask."""
