"""The worker: restores photos for a coordinator, in processes that it can afford to lose."""
