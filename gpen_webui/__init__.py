"""GPEN WebUI: restores faces in portraits, one photo or a whole album."""

import os

from gpen_webui.privacy import keep_private

keep_private()  # before any library is imported that would report or leave files
# Before NumPy is: the threads of its OpenBLAS sleep when they have nothing to do. They would keep
# the other cores busy for 30 ms first, and again after each of their few uses.
os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "4")
