"""Faults of file systems, played by a library that stands before the C library's functions."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

NO_HARD_LINKS = """
#include <errno.h>
int link(const char *from, const char *to) { errno = EPERM; return -1; }
int linkat(int a, const char *from, int b, const char *to, int flags) { errno = EPERM; return -1; }
"""

# What a file that is mapped to be written and shared gets on many network shares.
NO_SHARED_MEMORY = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <sys/mman.h>
#define MAP(name) \\
    void *name(void *at, size_t length, int protection, int flags, int file, off_t from) { \\
        void *(*real)(void *, size_t, int, int, int, off_t) = dlsym(RTLD_NEXT, #name); \\
        if (file >= 0 && (flags & MAP_SHARED) && (protection & PROT_WRITE)) { \\
            errno = ENODEV; return MAP_FAILED; \\
        } \\
        return real(at, length, protection, flags, file, from); \\
    }
MAP(mmap)
MAP(mmap64)
"""


def preloaded(folder: Path, *sources: str) -> dict[str, str]:
    """What a command's environment needs so that it meets these faults."""
    return {"LD_PRELOAD": " ".join(str(_compiled(source, folder)) for source in sources)}


def _compiled(source: str, folder: Path) -> Path:
    if shutil.which("cc") is None:
        pytest.skip("a C compiler is needed to play a file system's faults")
    number = len(list(folder.glob("shim-*.c")))
    text = folder / f"shim-{number}.c"
    text.write_text(source)
    library = text.with_suffix(".so")
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, text, "-ldl"], check=True)
    return library
