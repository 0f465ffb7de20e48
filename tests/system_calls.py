"""What a command asks of other machines, and where it writes, as the kernel sees it (strace)."""

from __future__ import annotations

import functools
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

NETWORK = "connect,sendto,sendmsg,sendmmsg"
FILES = (
    "?open,openat,?openat2,?creat,?mkdir,mkdirat,?rename,renameat,renameat2,?symlink,symlinkat,"
    "?link,linkat,?unlink,unlinkat,?truncate"
)
NETWORK_CALLS = NETWORK.split(",")
LOOPBACK = re.compile(r'inet_addr\("127\.|inet_pton\(AF_INET6, "(::1|::ffff:127\.[\d.]+)"')
DNS_PORT = re.compile(r"sin6?_port=htons\(53\)")
RESOLVER = re.compile(r'sun_path="[^"]*(resolve|avahi)[^"]*"')
OPENED_TO_READ = re.compile(r"\bO_RDONLY\b(?!.*\bO_(CREAT|TRUNC)\b)|\bO_PATH\b")
# AT_FDCWD</work/folder>, "name" or 5</folder>, "name": a folder and a path, which may be absolute;
# older calls have the path alone. A relative one is then taken for one outside.
PATH = re.compile(r'(?:(?:AT_FDCWD|\d+)<([^>]*)>, )?"((?:[^"\\]|\\.)*)"')
DEVICES = ("/dev/", "/proc/", "/sys/")


@functools.cache
def why_not() -> str | None:
    """Why commands cannot be watched here; None where they can."""
    if shutil.which("strace") is None:
        return "needs strace, which is not installed (Linux only)"
    tried = subprocess.run([*_strace("/dev/null"), "true"], capture_output=True, text=True)
    return (
        f"strace cannot watch processes here: {tried.stderr.strip()}" if tried.returncode else None
    )


class Watch:
    """Prefix commands with `prefix`; when they have ended ask what they did.

    Their children are watched too.
    """

    def __init__(self) -> None:
        self._trace = Path(tempfile.mkdtemp(prefix="trace-")) / "calls"
        self.prefix = _strace(str(self._trace))

    def close(self) -> None:
        shutil.rmtree(self._trace.parent)

    def calls_to_other_machines(self) -> list[str]:
        """Connections and packets beyond the loopback, and every DNS query wherever it went."""
        return [call for call in self._calls(NETWORK) if _leaves_this_machine(call)]

    def writes_outside(self, *folders: Path) -> list[str]:
        """Files and folders made, changed, moved or removed anywhere but below `folders`."""
        inside = tuple(f"{folder.resolve()}/" for folder in folders) + DEVICES
        return [
            call
            for call in self._calls(FILES)
            if _may_change_files(call)
            and any(not f"{path}/".startswith(inside) for path in _paths(call))
        ]

    def _calls(self, names: str) -> list[str]:
        """The watched calls of these names that did something."""
        wanted = {name.lstrip("?") for name in names.split(",")}
        calls = _whole_calls(self._trace.read_text(errors="replace").splitlines())
        assert calls, "nothing was watched"
        return [call for call in calls if call.split("(")[0] in wanted and not _failed(call)]


def _strace(trace: str) -> list[str]:
    calls = f"trace={NETWORK},{FILES}"
    return [
        "strace",
        "-A",
        "-f",
        "-y",
        "-qq",
        "-s",
        "512",
        "--seccomp-bpf",
        "-e",
        calls,
        "-o",
        trace,
    ]


def _whole_calls(lines: list[str]) -> list[str]:
    """The calls without process numbers; those that another thread's interrupted, joined."""
    begun: dict[str, str] = {}
    calls = []
    for line in lines:
        process, call = line.split(maxsplit=1)
        if call.endswith("<unfinished ...>"):
            begun[process] = call.removesuffix("<unfinished ...>")
        elif resumed := re.match(r"<\.\.\. \w+ resumed>(.*)", call):
            calls.append(begun.pop(process, "") + resumed[1])
        else:
            calls.append(call)
    return calls + list(begun.values())


def _failed(call: str) -> bool:
    """Whether it had no effect; to have tried to reach another machine is one."""
    return re.search(r"\) += -1 E", call) is not None and call.split("(")[0] not in NETWORK_CALLS


def _leaves_this_machine(call: str) -> bool:
    if "AF_INET" in call:
        return DNS_PORT.search(call) is not None or LOOPBACK.search(call) is None
    return RESOLVER.search(call) is not None


def _may_change_files(call: str) -> bool:
    return not (call.startswith("open") and OPENED_TO_READ.search(call))


def _paths(call: str) -> list[str]:
    """The paths that a call names, absolute as far as it tells."""
    return [str(Path(folder, path)) for folder, path in PATH.findall(call)]
