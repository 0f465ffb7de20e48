"""What a benchmark's reader must know of the machine; nothing that tells whose it is."""

from __future__ import annotations

import os
import platform
import re
from importlib.metadata import PackageNotFoundError, version

import psutil

from gpen_webui.engines.cores import cpu_cores, processor_name, read_cpu_info

# The widest vectors, then what multiplies small numbers faster, as /proc/cpuinfo names them.
VECTORS = (("avx512f", "AVX-512"), ("avx2", "AVX2"), ("sve", "SVE"), ("asimd", "NEON"))
EXTRAS = (
    ("avx512_vnni", "VNNI"),
    ("avx_vnni", "VNNI"),
    ("asimddp", "dot product"),
    ("avx512_bf16", "BF16"),
    ("bf16", "BF16"),
    ("amx_int8", "AMX"),
)
LIBRARIES = ("torch", "openvino", "numpy", "opencv-python-headless")


def describe_machine() -> dict[str, object]:
    """Cores, processor, instruction set, memory and libraries, with one `summary` of the first."""
    text = read_cpu_info()
    cores, processor = cpu_cores(), processor_name(text)
    instructions = instruction_set(text)
    noun = "core" if cores == 1 else "cores"
    return {
        "summary": ", ".join(filter(None, (f"{cores} {noun}", processor, instructions))),
        "cores": cores,
        "logical_processors": os.cpu_count(),
        "processor": processor,
        "instructions": instructions,
        "memory_gb": round(psutil.virtual_memory().total / 2**30, 1),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "libraries": {name: found for name in LIBRARIES if (found := _version(name))},
    }


def instruction_set(cpu_info: str) -> str:
    """The vector instructions in the text of /proc/cpuinfo, for example “AVX-512 VNNI BF16”."""
    line = re.search(r"^(?:flags|Features)\s*: (.+)$", cpu_info, re.MULTILINE)
    flags = set(line[1].split()) if line else set()
    names = [name for flag, name in VECTORS if flag in flags][:1]
    names += [name for flag, name in EXTRAS if flag in flags]
    return " ".join(dict.fromkeys(names))


def _version(library: str) -> str | None:
    try:
        return version(library)
    except PackageNotFoundError:
        return None
