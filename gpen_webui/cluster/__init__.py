"""An album on several machines: one coordinator with the store, and workers that restore."""
