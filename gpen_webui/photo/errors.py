"""What can be wrong with a photo."""

from gpen_webui.errors import UserError


class PhotoError(UserError):
    """A file cannot be opened as a photo, or a photo not saved."""
