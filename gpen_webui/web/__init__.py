"""The only room that knows Flask: pages, HTTP API, progress, guard."""
