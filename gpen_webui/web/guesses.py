"""How many wrong tokens are looked at, so that nobody finds the right one by trying."""

from __future__ import annotations

import ipaddress
import logging
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from math import ceil
from threading import Lock

from gpen_webui.web.errors import TooManyGuessesError

log = logging.getLogger(__name__)

WINDOW_SECONDS = 60
PER_ADDRESS = 10  # wrong tokens within the window
OVERALL = 60
MOST_ADDRESSES = 10_000  # remembered; those unheard of for longest are forgotten first
IPV6_NETWORK_BITS = 64  # one subscriber has so many addresses


class GuessLimit:
    """Counts wrong tokens, per address and overall, over the last minute. Thread-safe.

    Beyond the limit a token is not even compared, so a right guess is not noticed either. The
    owner is not locked out by the guesses of others: cookies are no guesses and are not
    counted, and neither this machine nor an address that has shown the right token is subject
    to the overall limit.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic):
        self._clock = clock
        self._lock = Lock()
        self._wrong: OrderedDict[str, deque[float]] = OrderedDict()
        self._wrong_overall: deque[float] = deque()
        self._known: OrderedDict[str, None] = OrderedDict()

    def check(self, address: str | None, is_right: Callable[[], bool]) -> bool:
        """Whether the token that came from this address is right.

        Raises TooManyGuessesError where it is not looked at.
        """
        network = _network_of(address)
        with self._lock:
            if wait := self._wait(network):
                raise TooManyGuessesError(
                    f"Too many wrong tokens have come; wait {wait} seconds and try again. A "
                    "browser that is let in already is not concerned.",
                    retry_after=wait,
                )
            if is_right():
                _remember(self._known, network, None)
                return True
            self._count(network)
            return False

    def _wait(self, network: str) -> int:
        """Seconds until a token from there is looked at."""
        own = self._wrong.get(network, deque())
        waits = [self._wait_for(own, PER_ADDRESS)]
        if network not in self._known and network != "this machine":
            waits.append(self._wait_for(self._wrong_overall, OVERALL))
        return max(waits)

    def _wait_for(self, times: deque[float], most: int) -> int:
        now = self._clock()
        while times and times[0] <= now - WINDOW_SECONDS:
            times.popleft()
        if len(times) < most:
            return 0
        return max(1, ceil(times[-most] + WINDOW_SECONDS - now))

    def _count(self, network: str) -> None:
        times = self._wrong.get(network, deque())
        for counted in (times, self._wrong_overall):
            counted.append(self._clock())
        _remember(self._wrong, network, times)
        log.warning("a wrong token came from %s, %d within a minute", network, len(times))
        if len(times) == PER_ADDRESS:
            log.warning("no token from %s is looked at for a while", network)


def _network_of(address: str | None) -> str:
    """What counts as one guesser."""
    try:
        found = ipaddress.ip_address((address or "").partition("%")[0])
    except ValueError:
        return "an unknown address"
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped:
        found = found.ipv4_mapped
    if found.is_loopback:
        return "this machine"
    if found.version == 6:
        return str(ipaddress.ip_network((found, IPV6_NETWORK_BITS), strict=False))
    return str(found)


def _remember(entries: OrderedDict, name: str, value: object) -> None:
    entries[name] = value
    entries.move_to_end(name)
    if len(entries) > MOST_ADDRESSES:
        entries.popitem(last=False)
