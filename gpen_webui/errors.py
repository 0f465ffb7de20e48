"""The one kind of error that is meant for the user's eyes."""


class UserError(Exception):
    """Something the user can mend. `str(error)` is one sentence: what is wrong, and the remedy."""
