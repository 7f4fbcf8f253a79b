"""How often something may be done: token buckets, and failures by address. The time is handed in; memory is bounded."""

from collections import OrderedDict
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from typing import Final

#: Of how many addresses and callers something is remembered; the longest silent are forgotten first.
MOST: Final = 10_000
#: What one customer of an IPv6 provider has at the least.
_IPV6_BITS: Final = 64


@dataclass(slots=True)
class _Bucket:
    """What is left, as of when."""

    left: float
    at: float


class Allowance:
    """So much a second for each name, and so much at once.

    Args:
        a_second: How much comes back in a second.
        at_once: How much there is at the most; ``a_second`` where it is not given.
        most: Of how many names it is remembered.
    """

    def __init__(self, a_second: float, *, at_once: float | None = None, most: int = MOST) -> None:
        self._a_second = a_second
        self._at_once = a_second if at_once is None else at_once
        self._most = most
        self._buckets: OrderedDict[object, _Bucket] = OrderedDict()

    def __len__(self) -> int:
        """How many names are remembered."""
        return len(self._buckets)

    def take(self, name: object, *, now: float) -> float:
        """0.0: it may be done, and counts. Else the seconds after which it may.

        Args:
            name: Whose allowance it is.
            now: Seconds that only grow.
        """
        bucket = self._buckets.get(name)
        if bucket is None:
            bucket = self._buckets[name] = _Bucket(self._at_once, now)
            if len(self._buckets) > self._most:
                self._buckets.popitem(last=False)
        else:
            self._buckets.move_to_end(name)
            bucket.left = min(self._at_once, bucket.left + (now - bucket.at) * self._a_second)
            bucket.at = now
        if bucket.left >= 1:
            bucket.left -= 1
            return 0.0
        return (1 - bucket.left) / self._a_second


class Failures:
    """Failed tries to prove who one is, by network address: so many a minute are answered, then it is time to wait.

    It never says anything of who proves it: a good credential is taken whatever else came from its address.

    Args:
        a_minute: So many are answered as what they are.
        most: Of how many addresses it is remembered.
    """

    def __init__(self, a_minute: int, *, most: int = MOST) -> None:
        self._allowance = Allowance(a_minute / 60, at_once=a_minute, most=most)
        #: By what was tried (``key``, ``bearer``, ``link``, ``session``, ``station``): how often it failed.
        self.counts: dict[str, int] = {}
        #: How many of them were told to wait.
        self.refused = 0

    def note(self, what: str, address: str, *, now: float) -> float:
        """One more has failed. 0.0: say so; else the seconds to wait, which is all that is to be said.

        Args:
            what: What was tried.
            address: Where it came from.
            now: Seconds that only grow.
        """
        self.counts[what] = self.counts.get(what, 0) + 1
        wait = self._allowance.take(origin_of(address), now=now)
        self.refused += wait > 0
        return wait


def origin_of(address: str) -> str:
    """Whom an address is taken for: itself, or the /64 network of an IPv6 one; ``""`` for what is no address."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return ""
    if not isinstance(found, IPv6Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(IPv6Address(int(found) >> (128 - _IPV6_BITS) << (128 - _IPV6_BITS)))
