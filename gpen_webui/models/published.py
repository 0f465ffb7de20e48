"""The published GPEN models, as data."""

from __future__ import annotations

from dataclasses import dataclass

AUTHORS_PAGE = "https://github.com/yangxy/GPEN"
NO_LICENCE = (
    "The GPEN authors state no licence for this model; ask them before any use beyond "
    f"trying it out: {AUTHORS_PAGE}"
)
OSS = "https://public-vigen-video.oss-cn-shanghai.aliyuncs.com/robin/models"
MODELSCOPE = (
    "https://modelscope.cn/models/damo/cv_gpen_image-portrait-enhancement-hires/resolve/master"
)
VIDEO_RETALKING = "https://github.com/vinthony/video-retalking/releases/download/v0.0.1"

EMBEDDED = "gpen-mini-256"


@dataclass(frozen=True)
class PublishedModel:
    """A model that somebody has published.

    size: side of its crops in pixels, which is also the face size from which on it cannot
    add detail. megabytes: of the download, about. sha256: of the published file, where it
    is known in advance. supported: whether this program can use it yet.
    """

    name: str
    size: int
    purpose: str
    megabytes: int
    sources: tuple[str, ...]
    licence: str = NO_LICENCE
    sha256: str | None = None
    supported: bool = True


CATALOG = (
    PublishedModel(
        EMBEDDED,
        256,
        "Small and quick; comes with this program",
        16,
        (),
        "Apache-2.0, trained by this project on public-domain portraits",
        sha256="8db3bcb4956155d20513ddc4f3365e52e4e039e8acc82a0dbcccf83e5d7f701b",
    ),
    PublishedModel("gpen-bfr-256", 256, "Small faces", 76, (f"{OSS}/GPEN-BFR-256.pth",)),
    PublishedModel(
        "gpen-bfr-512",
        512,
        "The authors' main model: faces of ordinary photos",
        284,
        (f"{OSS}/GPEN-BFR-512.pth", f"{VIDEO_RETALKING}/GPEN-BFR-512.pth"),
    ),
    PublishedModel(
        "gpen-bfr-1024",
        1024,
        "Large faces, selfies",
        285,
        (f"{MODELSCOPE}/pytorch_model.pt",),
    ),
    PublishedModel(
        "gpen-bfr-2048",
        2048,
        "Very large faces",
        286,
        (f"{MODELSCOPE}/pytorch_model-2048.pt",),
    ),
    PublishedModel(
        "gpen-colorization-1024",
        1024,
        "Colour for grey portraits; not supported yet",
        285,
        (f"{OSS}/GPEN-Colorization-1024.pth",),
        supported=False,
    ),
    PublishedModel(
        "gpen-inpainting-1024",
        1024,
        "Fills holes; not supported yet",
        285,
        (f"{OSS}/GPEN-Inpainting-1024.pth",),
        supported=False,
    ),
)


def published_model(name: str) -> PublishedModel | None:
    """The catalog's entry of that name, if there is one."""
    return next((entry for entry in CATALOG if entry.name == name), None)
