"""Pages, HTTP API, events, guard; the only package that imports Flask."""
