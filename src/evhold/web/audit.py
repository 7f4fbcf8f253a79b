"""GET /audit: who did what, for admins."""

from litestar import Response
from msgspec import Struct, field

from evhold.domain.access import AuditWanted
from evhold.web.dto import Limit, Stamp, Time
from evhold.web.problems import invalid
from evhold.web.request import Req, calls_of, next_link, number_from_cursor, query_of, reply
from evhold.web.views import stamp, time_of


class AuditDto(Struct, rename="camel", frozen=True, kw_only=True):
    """What somebody did. ``address``: where they called from; null at the terminal. Nothing in it is secret."""

    number: int
    at: Stamp
    who: str
    address: str | None
    what: str
    station_id: str | None
    detail: str


class AuditQuery(Struct, rename="camel", kw_only=True, frozen=True):
    """Of which time, newest first."""

    from_: Time | None = field(name="from", default=None)
    to: Time | None = None
    limit: Limit = 100
    cursor: str | None = None


async def listed(request: Req) -> Response[bytes]:
    """GET /audit."""
    asked = query_of(request, AuditQuery)
    try:
        start, end = asked.from_ and time_of(asked.from_), asked.to and time_of(asked.to)
    except OverflowError:
        raise invalid(("from", "is no date that can be told in UTC")) from None
    wanted = AuditWanted(start=start, end=end, before=number_from_cursor(asked.cursor), limit=asked.limit)
    found, after = await calls_of(request).audit.page(wanted)
    rows = [
        AuditDto(
            number=one.number,
            at=stamp(one.at),
            who=one.who.name,
            address=one.who.address or None,
            what=one.what,
            station_id=one.station_id,
            detail=one.detail,
        )
        for one in found
    ]
    return reply(rows, headers=next_link(request, None if after is None else str(after)))
