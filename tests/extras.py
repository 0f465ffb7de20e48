"""What tests of the training need beside the program itself."""

import importlib.util

import pytest

needs_extras = pytest.mark.skipif(
    not all(map(importlib.util.find_spec, ("stlpips_pytorch", "face_recognition_models"))),
    reason="needs requirements-train.txt",
)
