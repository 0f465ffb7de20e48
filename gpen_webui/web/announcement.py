"""What the server prints when it starts: where the page is, for a phone too."""

from __future__ import annotations

import io
import ipaddress
import sys

from gpen_webui.folders import COMMAND
from gpen_webui.models.installed import default_name
from gpen_webui.settings import Settings
from gpen_webui.web.process import ANYWHERE, local_address, page_address

INNER = ("docker", "br-", "veth", "virbr")  # adapters that lead to no other machine


def announce(settings: Settings) -> None:
    """Say where the page, the results and the model are."""
    print(f"GPEN WebUI: {page_address(settings)}")
    if settings.public_url:
        print(f"The proxy finds it at {local_address(settings)}.")
    elsewhere = addresses_elsewhere(settings)
    if elsewhere:
        print(f"On a phone or another computer: {' or '.join(elsewhere)}")
        if sys.stdout.isatty():
            print(qr_code(elsewhere[0]))
    model = settings.model or default_name(settings.models)
    print(f"Results go to {settings.outputs}; the model is {model}.")
    if settings.cluster:
        print("Other machines may help; the page Machines shows what to type there.")
    if settings.token:
        print("Keep the address to yourself: whoever has it can use this server.")
    print("Press Ctrl-C to stop.", flush=True)


def announce_key(settings: Settings, key: str) -> None:
    """Say with which key other machines join, as it was made just now: it is not kept in words."""
    join = f"--join {address_for_workers(settings)} --key {key}"
    print(f"On another machine type: {COMMAND} worker {join}")
    print("Note this key: it is not shown again.", flush=True)


def address_for_workers(settings: Settings) -> str:
    """Where other machines find this one, if they can."""
    if settings.public_url:
        return settings.public_url.rstrip("/")
    elsewhere = _addresses(settings.port) if settings.host in ANYWHERE else []
    return (elsewhere or [local_address(settings)])[0] + settings.base_path


def addresses_elsewhere(settings: Settings) -> list[str]:
    """The page's addresses that need no name of this machine, where it can be reached by others."""
    if settings.public_url or settings.host not in ANYWHERE:
        return []
    own = page_address(settings)
    return [own.replace(local_address(settings), at) for at in _addresses(settings.port)]


def qr_code(address: str) -> str:
    """A code for a phone's camera, in characters of half a line."""
    import segno  # only where somebody is at a terminal

    text = io.StringIO()
    segno.make(address, error="l", micro=False).terminal(text, compact=True)
    return text.getvalue()


def _addresses(port: int) -> list[str]:
    import ifaddr  # only where others may come

    found = []
    for adapter in ifaddr.get_adapters():
        if str(adapter.name).startswith(INNER):
            continue
        for each in adapter.ips:
            address = ipaddress.ip_address(str(each.ip)) if each.is_IPv4 else None
            if address and not address.is_loopback and not address.is_link_local:
                found.append(f"http://{address}:{port}")
    return found
