"""The reader: a token is held to it, and it belongs to one of the EVSEs. Pure."""

from typing import Literal

from evhold.ocpp.v201.datatypes import IdTokenType
from evhold.simulator.reservations import asks_for_group, is_reserved, matching
from evhold.simulator.state import Evse, StationState, same_token

Outcome = Literal["Accepted", "Refused", "Stopped"]


class Swipe:
    """One presentation of a token; `outcome` is None until the station has decided.

    Accepted: charging may begin. Refused: nothing changed. Stopped: it ended what it had started.

    Args:
        token: As presented.
        remote_start_id: When it came by RequestStartTransaction.
    """

    def __init__(self, token: IdTokenType, *, remote_start_id: int | None = None) -> None:
        self.token = token
        self.outcome: Outcome | None = None
        self.remote_start_id = remote_start_id


def evse_of_choice(state: StationState, token: IdTokenType, *, group: IdTokenType | None = None) -> Evse | None:
    """The EVSE that a token is meant for when nobody names one; None when every EVSE is out of service.

    Its own running one, else the one reserved for it, else one where a car waits, else a free one.
    """

    def rank(evse: Evse) -> tuple[bool, ...]:
        reserved = is_reserved(state, evse)
        return (
            not same_token(evse.token, token),
            matching(state, evse, token=token, group=group) is None,
            evse.token is not None,
            reserved and not asks_for_group(state, evse),
            evse.plugged is None,
            reserved,
        )

    return min((evse for evse in state.evses.values() if evse.in_service), key=rank, default=None)
