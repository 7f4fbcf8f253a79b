"""The operations of security, for the table of all."""

from typing import Final

from evhold.web import security
from evhold.web.operations import LOOKING, NOT_SENT, OPERATING, Operation
from evhold.web.security_dto import PasswordDto, PasswordPost, SecurityEventDto, SecurityQuery

SECURITY: Final = (
    Operation(
        method="GET",
        path="/security-events",
        name="listSecurityEvents",
        summary="What stations told of their security, and what was noted of who stood at their door, newest first",
        tag="stations",
        roles=LOOKING,
        handler=security.of_all,
        query=SecurityQuery,
        answers={200: list[SecurityEventDto]},
    ),
    Operation(
        method="GET",
        path="/stations/{stationId}/security-events",
        name="listStationSecurityEvents",
        summary="The same of one station",
        tag="stations",
        roles=LOOKING,
        handler=security.of_station,
        query=SecurityQuery,
        answers={200: list[SecurityEventDto]},
        problems=("station-unknown",),
    ),
    Operation(
        method="POST",
        path="/stations/{stationId}/password",
        name="changePassword",
        summary="Give the station a new password over its connection (A01); one that is made is shown this once",
        tag="stations",
        roles=OPERATING,
        handler=security.change_password,
        body=PasswordPost,
        answers={200: PasswordDto, 202: PasswordDto},
        problems=(
            "station-unknown",
            "variable-refused",
            "password-change-pending",
            "station-call-error",
            *NOT_SENT,
        ),
    ),
)
