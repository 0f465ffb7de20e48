"""A network of its own for some processes, whose cables can be pulled out and put back.

Needs Linux, root and iproute2. Each cable is a pair of virtual interfaces with two addresses, the
first here, the second in the namespace.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from contextlib import suppress


def why_not() -> str | None:
    """Why there can be none here, in words."""
    if sys.platform != "linux" or shutil.which("ip") is None:
        return "needs Linux with iproute2"
    if os.geteuid() != 0:
        return "needs root, as it makes network namespaces"
    name = f"gpen-try-{os.getpid()}"
    tried = subprocess.run(["ip", "netns", "add", name], capture_output=True)
    if tried.returncode:
        return "needs a system that lets root make network namespaces"
    _ip("netns", "del", name)
    return None


class Network:
    """A namespace with some cables, from the making of the object to close(). cables: how many."""

    def __init__(self, cables: int):
        self.name = f"gpen-{os.getpid()}"
        self.before = ("ip", "netns", "exec", self.name)  # what runs a command in it
        self.addresses = [f"10.213.{number}.1" for number in range(cables)]  # ours, of each
        _ip("netns", "add", self.name)
        _ip("-n", self.name, "link", "set", "lo", "up")
        for number, address in enumerate(self.addresses):
            ours, theirs = f"gp{os.getpid()}-{number}", f"cable{number}"
            _ip("link", "add", ours, "type", "veth", "peer", "name", theirs, "netns", self.name)
            _ip("addr", "add", f"{address}/24", "dev", ours)
            _ip("link", "set", ours, "up")
            _ip("-n", self.name, "addr", "add", f"10.213.{number}.2/24", "dev", theirs)
            self.plug_in(number)

    def pull_out(self, *cables: int) -> None:
        for number in cables:
            _ip("-n", self.name, "link", "set", f"cable{number}", "down")

    def plug_in(self, *cables: int) -> None:
        for number in cables:
            _ip("-n", self.name, "link", "set", f"cable{number}", "up")

    def close(self) -> None:
        with suppress(subprocess.CalledProcessError):
            _ip("netns", "del", self.name)  # the cables go with it


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)
