"""Which addresses we may call because somebody outside asked for it."""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

#: Prefixes that lead to an IPv4 address inside: the well-known NAT64 one, and 6to4.
_NAT64: Final = IPv6Network("64:ff9b::/96")


def networks_of(texts: Sequence[str]) -> tuple[Network, ...]:
    """The networks of a setting."""
    return tuple(ip_network(one) for one in texts)


def is_allowed(address: Address, opened: Sequence[Network]) -> bool:
    """Whether it is public, or in one of the networks that were opened.

    Loopback, private, link-local, metadata, multicast and reserved addresses are not public, in whatever form.
    """
    inner = _inner(address)
    if any(one in network for one in (address, inner) for network in opened):
        return True
    return inner.is_global and not inner.is_multicast and not inner.is_reserved


def _inner(address: Address) -> Address:
    """The IPv4 address that an IPv6 one stands for."""
    if isinstance(address, IPv4Address):
        return address
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    mapped = address.ipv4_mapped or address.sixtofour
    return mapped or (address.teredo[1] if address.teredo is not None else address)


def literal(host: str) -> Address | None:
    """The address that this host is written as; None for a name."""
    try:
        return ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        return None
