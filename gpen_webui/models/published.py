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

PSFR_GAN_PAGE = "https://github.com/chaofengc/PSFRGAN"
PARSENET_LICENCE = (
    "None is stated for the file. Its network is from PSFR-GAN (CC BY-NC-SA 4.0) and was trained "
    "on CelebAMask-HQ, which is for non-commercial research alone. Ask its makers before any use "
    f"beyond trying it out: {PSFR_GAN_PAGE}"
)
OPENTALKER = "https://github.com/OpenTalker/video-retalking/releases/download/v0.0.1"

REAL_ESRGAN = "https://github.com/xinntao/Real-ESRGAN/releases/download"
REAL_ESRGAN_LICENCE = "BSD-3-Clause, Copyright (c) 2021, Xintao Wang"

EMBEDDED = "gpen-mini-256"
PARSENET = "parsenet-latest"


@dataclass(frozen=True)
class PublishedModel:
    """A model that somebody has published.

    size: side of its crops in pixels, which is also the face size from which on it cannot
    add detail; None where it takes no faces. megabytes: of the download, about. sha256: of the
    published file, where it is known in advance; onnx_sha256: of the ONNX file into which others
    have converted it. task: what it does to a face: restore, colorize or inpaint; to the whole
    photo: enlarge, `scale` times; or parse: it tells the parts of a face.
    """

    name: str
    size: int | None
    purpose: str
    megabytes: int
    sources: tuple[str, ...]
    licence: str = NO_LICENCE
    sha256: str | None = None
    onnx_sha256: str | None = None
    task: str = "restore"
    scale: int | None = None


CATALOG = (
    PublishedModel(
        EMBEDDED,
        256,
        "Small and quick; comes with this program",
        16,
        (),
        OWN_LICENCE,
        sha256="bab3981d842caf459de0daf7b28f85d2a6f2c42853c7aa244b8c4bfc2fa49c00",
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
    PublishedModel(
        "realesr-general-x4v3",
        None,
        "Enlarges whole photos; small, removes much noise",
        5,
        (f"{REAL_ESRGAN}/v0.2.5.0/realesr-general-x4v3.pth",),
        REAL_ESRGAN_LICENCE,
        sha256="8dc7edb9ac80ccdc30c3a5dca6616509367f05fbc184ad95b731f05bece96292",
        task="enlarge",
        scale=4,
    ),
    PublishedModel(
        "realesr-general-wdn-x4v3",
        None,
        "Enlarges whole photos; small, keeps more of the grain",
        5,
        (f"{REAL_ESRGAN}/v0.2.5.0/realesr-general-wdn-x4v3.pth",),
        REAL_ESRGAN_LICENCE,
        sha256="1641f8c4464b9f097c9fdda5589273713f67cf59f3d909e0bd688f0cee269dca",
        task="enlarge",
        scale=4,
    ),
    PublishedModel(
        "realesrgan-x2plus",
        None,
        "Enlarges whole photos; large and slow, invents the most detail",
        67,
        (f"{REAL_ESRGAN}/v0.2.1/RealESRGAN_x2plus.pth",),
        REAL_ESRGAN_LICENCE,
        sha256="49fafd45f8fd7aa8d31ab2a22d14d91b536c34494a5cfe31eb5d89c2fa266abb",
        task="enlarge",
        scale=2,
    ),
    PublishedModel(
        "realesrgan-x4plus",
        None,
        "Enlarges whole photos; large and slow, invents the most detail",
        67,
        (f"{REAL_ESRGAN}/v0.1.0/RealESRGAN_x4plus.pth",),
        REAL_ESRGAN_LICENCE,
        sha256="4fa0d38905f75ac06eb49a7951b426670021be3018265fd191d2125df9d682f1",
        task="enlarge",
        scale=4,
    ),
    PublishedModel(
        "realesrnet-x2",
        None,
        "Enlarges whole photos; the GPEN authors' own, invents little",
        67,
        (f"{OSS}/realesrnet_x2.pth",),
        task="enlarge",
        scale=2,
    ),
    PublishedModel(
        "realesrnet-x4",
        None,
        "Enlarges whole photos; the GPEN authors' own, invents little",
        67,
        (f"{OSS}/realesrnet_x4.pth",),
        task="enlarge",
        scale=4,
    ),
    PublishedModel(
        PARSENET,
        None,
        "Masks of faces; tells skin, features, glasses and hair from what is around them",
        85,
        (
            f"{OPENTALKER}/ParseNet-latest.pth",
            f"{OSS}/ParseNet-latest.pth",
        ),
        PARSENET_LICENCE,
        task="parse",
    ),
)


def published_model(name: str) -> PublishedModel | None:
    """The catalog's entry of that name, if there is one."""
    return next((entry for entry in CATALOG if entry.name == name), None)
