"""Messages to drivers by apprise (the extra ``notify``): mail, SMS gateways, push services, each named by a URL."""

import asyncio
import json
import sys
import warnings
from collections.abc import Awaitable, Callable, Sequence
from contextvars import ContextVar
from importlib.util import find_spec
from typing import Any, Final

from evhold.domain.errors import InvalidOrder, NotifyNotInstalled
from evhold.domain.networks import Address, Network, is_allowed, literal
from evhold.domain.webhooks import Delivery, Outcome
from evhold.usecases.driver_messages import LONGEST_ADDRESS, MOST_ADDRESSES

TIMEOUT_S: Final = 15.0
#: They tell this machine, not a driver.
_LOCAL: Final = frozenset(
    {"syslog", "rsyslog", "dbus", "kde", "qt", "glib", "gnome", "macosx", "windows", "file", "exec"}
)
Resolve = Callable[[str, int], Awaitable[list[Address]]]
#: While a message is being sent: the networks that were opened. Then sockets of its thread lead nowhere else that is private.
_sending: Final[ContextVar[Sequence[Network] | None]] = ContextVar("sending", default=None)
_watched: bool = False


def is_installed() -> bool:
    """Whether the extra is there."""
    return find_spec("apprise") is not None


class Notifier:
    """Sends to what apprise's URLs name.

    Args:
        opened: Private networks that may be called.
        resolve: A host's addresses.
    """

    def __init__(self, *, opened: Sequence[Network], resolve: Resolve) -> None:
        self._opened = opened
        self._resolve = resolve

    def check(self, addresses: Sequence[str]) -> None:
        """Return if all of them can be sent to.

        Raises:
            NotifyNotInstalled: The extra is not there.
            InvalidOrder: One is not understood, leads to this machine, or there are too many.
        """
        if not addresses:
            return
        if not is_installed():
            raise NotifyNotInstalled
        if len(addresses) > MOST_ADDRESSES:
            raise InvalidOrder("notify", f"at most {MOST_ADDRESSES} addresses")
        for number, one in enumerate(addresses):
            service = _service(one)
            if service is None:
                raise InvalidOrder("notify", f"address {number} is no URL that apprise sends to")
            known = literal(_host(service))
            if known is not None and not is_allowed(known, self._opened):
                raise InvalidOrder("notify", f"address {number} is not public; --webhook-allow opens private networks")

    async def __call__(self, delivery: Delivery) -> Outcome:
        """One message to one address; nothing is raised for what the network or the service does."""
        message = json.loads(delivery.body)
        service = _service(message["address"])
        if service is None:
            return Outcome(error="the address is none that apprise sends to")
        if not await self._may_call(_host(service)):
            return Outcome(error="the address leads where messages may not go (--webhook-allow)")
        _watch()
        # apprise hands it on to the thread that sends.
        sending = _sending.set(self._opened)
        try:
            async with asyncio.timeout(TIMEOUT_S):
                is_sent = await service.async_notify(body=message["text"], title=message["title"])
        except TimeoutError:
            return Outcome(error=f"not sent within {TIMEOUT_S:.0f} s")
        except (OSError, TypeError, ValueError) as error:
            return Outcome(error=f"{type(error).__name__}: {error}")
        finally:
            _sending.reset(sending)
        return Outcome() if is_sent else Outcome(error=f"{service.service_name} did not take it")

    async def _may_call(self, host: str) -> bool:
        # Many services have no host of ours in their URL, but a token: that leads nowhere, and nothing is to be refused.
        if not host:
            return True
        try:
            found = await self._resolve(host, 0)
        except (OSError, UnicodeError):
            return True
        return all(is_allowed(one, self._opened) for one in found)


def _watch() -> None:
    """Sockets are looked at as they connect: a name may lead elsewhere by then, and a service may know others."""
    global _watched
    if not _watched:
        # For ever, so once; it costs next to nothing where no message is being sent.
        _watched = True
        sys.addaudithook(_look)


def _look(event: str, arguments: tuple[Any, ...]) -> None:
    if event != "socket.connect" or (opened := _sending.get()) is None:
        return
    address = arguments[1]
    known = literal(str(address[0])) if isinstance(address, tuple) and address else None
    if known is None or not is_allowed(known, opened):
        raise PermissionError(f"messages may not go to {address} (--webhook-allow)")


def _service(address: str) -> Any:
    """What apprise makes of the URL; None for nothing, or for this machine."""
    if len(address) > LONGEST_ADDRESS or address.partition(":")[0].lower() in _LOCAL:
        return None
    with warnings.catch_warnings():
        # Its mail plug-in still looks for a module that Python 3.13 has no more.
        warnings.simplefilter("ignore", DeprecationWarning)
        # Slow to load, and an extra.
        import apprise  # noqa: PLC0415

        service = apprise.Apprise.instantiate(address)
    if service is not None:
        # Whatever the URL says of it: a redirect leads where nobody has looked.
        service.redirects = False
    return service


def _host(service: Any) -> str:
    return str(getattr(service, "smtp_host", None) or getattr(service, "host", None) or "")
