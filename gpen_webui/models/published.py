"""The published GPEN models, as data."""

from __future__ import annotations

from dataclasses import dataclass

AUTHORS_PAGE = "https://github.com/yangxy/GPEN"
NO_LICENCE = (
    "The GPEN authors state no licence for their models. Until March 2026 their README said "
    "“academic and non-commercial use only”; since then it says nothing. Ask them before any use "
    f"beyond trying it out: {AUTHORS_PAGE}"
)
OWN_LICENCE = "Apache-2.0, trained by this project on public-domain portraits"
ASK_MAKER = "Ask whoever made it"
OSS = "https://public-vigen-video.oss-cn-shanghai.aliyuncs.com/robin/models"
MODELSCOPE = (
    "https://modelscope.cn/models/damo/cv_gpen_image-portrait-enhancement-hires/resolve/master"
)
HUGGING_FACE = "https://huggingface.co"
VIDEO_RETALKING = "https://github.com/vinthony/video-retalking/releases/download/v0.0.1"

EMBEDDED = "gpen-mini-256"


@dataclass(frozen=True)
class PublishedModel:
    """A model that somebody has published.

    size: side of its crops in pixels, which is also the face size from which on it cannot
    add detail. megabytes: of the download, about. sha256: of the published file, where it
    is known in advance; onnx_sha256: of the ONNX file into which others have converted it.
    task: what it does to a face: restore, colorize or inpaint.
    """

    name: str
    size: int
    purpose: str
    megabytes: int
    sources: tuple[str, ...]
    licence: str = NO_LICENCE
    sha256: str | None = None
    onnx_sha256: str | None = None
    task: str = "restore"


CATALOG = (
    PublishedModel(
        EMBEDDED,
        256,
        "Small and quick; comes with this program",
        16,
        (),
        OWN_LICENCE,
        sha256="8db3bcb4956155d20513ddc4f3365e52e4e039e8acc82a0dbcccf83e5d7f701b",
    ),
    PublishedModel(
        "gpen-bfr-256",
        256,
        "Small faces",
        76,
        (f"{OSS}/GPEN-BFR-256.pth",),
        onnx_sha256="d458f72960b25cde64e28b47672e73b74d3bc901ad4657115aecd0fa37b2b14e",
    ),
    PublishedModel(
        "gpen-bfr-512",
        512,
        "The authors' main model: faces of ordinary photos",
        284,
        (
            f"{OSS}/GPEN-BFR-512.pth",
            f"{VIDEO_RETALKING}/GPEN-BFR-512.pth",
            f"{HUGGING_FACE}/akhaliq/GPEN-BFR-512/resolve/main/GPEN-BFR-512.pth",
            f"{HUGGING_FACE}/vinthony/videoretalking/resolve/main/GPEN-BFR-512.pth",
        ),
        sha256="f1002c41add95b0decad69604d80455576f7187dd99ca16bd611bcfd44c10b51",
        onnx_sha256="bf80acb8e91ba8852e3f012505be2c3b6cd6b3eed5ec605e3db87863c4e74d4e",
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
        onnx_sha256="d0229ff43f979c360bd19daa9cd0ce893722d59f41a41822b9223ebbe4f89b3e",
    ),
    PublishedModel(
        "gpen-colorization-1024",
        1024,
        "Colours grey faces",
        285,
        (f"{OSS}/GPEN-Colorization-1024.pth",),
        task="colorize",
    ),
    PublishedModel(
        "gpen-inpainting-1024",
        1024,
        "Fills what is painted white on faces",
        285,
        (f"{OSS}/GPEN-Inpainting-1024.pth",),
        task="inpaint",
    ),
)


def published_model(name: str) -> PublishedModel | None:
    """The catalog's entry of that name, if there is one."""
    return next((entry for entry in CATALOG if entry.name == name), None)
