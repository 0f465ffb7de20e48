"""Which kind a machine is of: machines of one kind give the same bytes.

Processors with other vector instructions, GPUs, numbers of 16 bits and other versions of libraries
round otherwise. Rather than list them all, the kind is measured: it is a hash of what the machine
makes of a known face, before anything is rounded to 8 bits.
"""

from __future__ import annotations

import hashlib

import numpy as np

from gpen_webui.cluster.face_photo import photo_of_face
from gpen_webui.engines.quality import real_crops
from gpen_webui.faces.detect import FaceDetector
from gpen_webui.options import RestoreOptions
from gpen_webui.photo.encode import encode_photo
from gpen_webui.stages.restorer import Restorer

FACE_SIDE, MARGIN = 320, 160  # pixels of the photo on which finding and blending are measured
FORMATS = ("jpeg", "png", "webp")
DIGITS = 8


def measure_kind(restorer: Restorer) -> str:
    """The kind of this machine with these networks: DIGITS hexadecimal digits.

    It covers the raw outputs of the networks for several crops, what the detector finds in a photo,
    the restored photo, and its files. Takes a few faces' time.
    """
    digest = hashlib.sha256()
    network = restorer.face_network
    small = network.small_faces
    for engine in [network.engine, small.engine] if small else [network.engine]:
        for crop in real_crops(engine.size):
            digest.update(engine.run(crop[None]).tobytes())
    photo = photo_of_face(FACE_SIDE, MARGIN, "the face that is measured", "png")
    for face in FaceDetector().detect(photo.pixels):
        digest.update(np.array([*face.box, face.score], np.float64).tobytes())
        digest.update(face.landmarks.tobytes())
    restored = restorer.restore(photo, RestoreOptions())
    digest.update(restored.pixels.tobytes())
    for format in FORMATS:
        data, _ = encode_photo(photo, restored.pixels, format)
        digest.update(data)
    return digest.hexdigest()[:DIGITS]
