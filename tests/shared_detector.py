"""One face detector for all tests of a process: opening its networks takes half a second."""

from functools import cache

from gpen_webui.faces.detect import FaceDetector


@cache
def face_detector() -> FaceDetector:
    """The one that users have, kept open; it holds nothing of the photos that it has seen."""
    return FaceDetector()
