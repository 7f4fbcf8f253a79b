"""Which addresses we may call because somebody outside asked for it."""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final
from urllib.parse import urlsplit

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

#: Prefixes that lead to an IPv4 address inside: the well-known NAT64 one, and 6to4.
_NAT64: Final = IPv6Network("64:ff9b::/96")
#: ISATAP: an interface's number that holds an IPv4 address, under whatever prefix.
_ISATAP: Final = frozenset({0x0000_5EFE, 0x0200_5EFE})
#: Not public, though Python's tables of one version or another say so: special uses, relays, a cloud's metadata.
_REFUSED: Final = tuple(
    ip_network(one)
    for one in (
        *("192.0.0.0/24", "192.88.99.0/24", "168.63.129.16/32"),
        *("64:ff9b:1::/48", "100::/64", "2001::/32", "2001:db8::/32", "3fff::/20", "5f00::/16", "fec0::/10"),
    )
)
#: Below these only the web's own: a message of ours is no use to another service, and may be understood by it.
_FIRST_FREE_PORT: Final = 1024
_WEB_PORTS: Final = frozenset({80, 443})


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
    if any(one in network for one in (address, inner) for network in _REFUSED):
        return False
    return inner.is_global and not inner.is_multicast and not inner.is_reserved


def is_web_port(port: int) -> bool:
    """Whether a web server may be meant: 80, 443, and all that anybody may listen on."""
    return port in _WEB_PORTS or port >= _FIRST_FREE_PORT


def is_opened(address: Address, opened: Sequence[Network]) -> bool:
    """Whether it is in one of the networks that were opened."""
    return any(address in network for network in opened)


def _inner(address: Address) -> Address:
    """The IPv4 address that an IPv6 one stands for."""
    if isinstance(address, IPv4Address):
        return address
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    if (int(address) >> 32) & 0xFFFF_FFFF in _ISATAP:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    mapped = address.ipv4_mapped or address.sixtofour
    return mapped or (address.teredo[1] if address.teredo is not None else address)


def literal(host: str) -> Address | None:
    """The address that this host is written as; None for a name."""
    try:
        return ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        return None


def is_safe(url: str) -> bool:
    """Whether nobody on the way can read or change what is at this address: https, or a loopback host."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return False
    known = literal(host)
    is_loopback = host == "localhost" if known is None else known.is_loopback
    return bool(host) and (parts.scheme == "https" or (parts.scheme == "http" and is_loopback))
