"""What is asked of the download of every kind of model that is no GPEN."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from gpen_webui.models.download import DownloadError, download_model
from tests.file_server import FileServer
from tests.tiny_gpen import make_tiny_model


def check_only_the_right_one_lands(name: str, right: Path) -> Path:
    """A network of another kind is refused, the right one is fetched once; the models folder.

    name: of a model of the catalog. right: a file of its kind.
    """
    models, face = right.parent / "models", right.with_name("face.pth")
    torch.save({"g_ema": load_file(make_tiny_model(right.parent, size=32).path)}, face)
    with (
        FileServer(face.read_bytes()).running() as server,
        pytest.raises(DownloadError, match="not the model"),
    ):
        download_model(name, models, sources=[server.url("whole")])
    with FileServer(right.read_bytes()).running() as server:
        for _ in range(2):  # the second time it is there already
            download_model(name, models, sources=[server.url("whole")])
        assert len(server.requests) == 1
    return models
