"""Transactions at the station: when they start (TxStartPoint), what they tell, how they end (E01-E07, H01.FR.15)."""

from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

from msgspec import UNSET, Struct, UnsetType

from evhold.ocpp.v201.datatypes import (
    ChargingStateEnumType,
    EVSEType,
    IdTokenType,
    MeterValueType,
    ReasonEnumType,
    SampledValueType,
    TransactionEventEnumType,
    TransactionType,
    TriggerReasonEnumType,
)
from evhold.ocpp.v201.messages import TransactionEventRequest, TransactionEventResponse
from evhold.simulator.options import TxStartPoint
from evhold.simulator.outbox import Outbox, Outgoing
from evhold.simulator.state import POWER_W, Evse, Transaction

Refused = Callable[[Evse, str, datetime], None]


class Ending(NamedTuple):
    """Why a transaction ends: the event's triggerReason and the transaction's stoppedReason."""

    trigger: TriggerReasonEnumType
    reason: ReasonEnumType


STOPPED_BY_TOKEN = Ending("StopAuthorized", "Local")
STOPPED_REMOTELY = Ending("RemoteStop", "Remote")
UNPLUGGED = Ending("EVCommunicationLost", "EVDisconnected")
NEVER_PLUGGED = Ending("EVConnectTimeout", "Timeout")
FAULT = Ending("AbnormalCondition", "Other")
DEAUTHORIZED = Ending("Deauthorized", "DeAuthorized")
RESET = Ending("ResetCommand", "ImmediateReset")
POWER_LOST = Ending("AbnormalCondition", "PowerLoss")


class Transactions:
    """Starts, feeds and ends the transaction of an EVSE, and tells the CSMS by TransactionEvents.

    Args:
        outbox: Where the events go; while it is offline they are marked so (E04.FR.03).
        new_id: Makes transaction ids.
        start_point: TxCtrlr.TxStartPoint.
        refused: Called with EVSE, transaction id and time when the CSMS answers that the token may not charge (E05).
    """

    def __init__(
        self, outbox: Outbox, *, new_id: Callable[[], str], start_point: TxStartPoint, refused: Refused
    ) -> None:
        self._outbox = outbox
        self._new_id = new_id
        self.start_point = start_point
        self._refused = refused

    def cable_in(self, evse: Evse, *, now: datetime) -> None:
        """A cable was plugged in: start or continue what is due."""
        if evse.transaction is not None:
            self._tell(evse, "Updated", "CablePluggedIn", now=now)
        elif self.start_point == "ParkingBayOccupancy":
            self._start(evse, "EVDetected", now=now)
            self._tell(evse, "Updated", "CablePluggedIn", now=now)
        elif self.start_point == "EVConnected" or evse.token is not None:
            self._start(evse, "CablePluggedIn" if evse.remote_start_id is None else "RemoteStart", now=now)
        self._charge(evse, now=now)

    def authorized(self, evse: Evse, *, now: datetime) -> None:
        """A token was accepted: start or continue what is due."""
        trigger: TriggerReasonEnumType = "Authorized" if evse.remote_start_id is None else "RemoteStart"
        if evse.transaction is not None:
            evse.transaction.token = evse.token
            evse.transaction.remote_start_id = evse.remote_start_id
            self._tell(evse, "Updated", trigger, now=now)
        elif self.start_point == "Authorized" or evse.plugged is not None:
            self._start(evse, trigger, now=now)
        self._charge(evse, now=now)

    def end(self, evse: Evse, ending: Ending, *, now: datetime) -> None:
        """End the EVSE's transaction, if there is one."""
        transaction = evse.transaction
        if transaction is None:
            return
        self._meter(evse, now)
        # E07.FR.02: the idToken is told again when it stopped the transaction.
        if ending is STOPPED_BY_TOKEN:
            transaction.token_told = False
        self._tell(evse, "Ended", ending.trigger, reason=ending.reason, now=now)
        evse.transaction = None

    def _start(self, evse: Evse, trigger: TriggerReasonEnumType, *, now: datetime) -> None:
        evse.transaction = Transaction(self._new_id(), evse.token, remote_start_id=evse.remote_start_id)
        self._tell(evse, "Started", trigger, now=now)

    def _charge(self, evse: Evse, *, now: datetime) -> None:
        transaction = evse.transaction
        if transaction is None or evse.token is None or evse.plugged is None or transaction.charging_since is not None:
            return
        transaction.charging_since = now
        self._tell(evse, "Updated", "ChargingStateChanged", now=now)

    def _meter(self, evse: Evse, now: datetime) -> None:
        transaction = evse.transaction
        if transaction is not None and transaction.charging_since is not None:
            evse.meter_wh += POWER_W * max(0.0, (now - transaction.charging_since).total_seconds()) / 3600
            transaction.charging_since = None

    def _tell(
        self,
        evse: Evse,
        kind: TransactionEventEnumType,
        trigger: TriggerReasonEnumType,
        *,
        now: datetime,
        reason: ReasonEnumType | None = None,
    ) -> None:
        transaction = evse.transaction
        assert transaction is not None
        request = TransactionEventRequest(
            event_type=kind,
            timestamp=now,
            trigger_reason=trigger,
            seq_no=transaction.seq_no,
            offline=not self._outbox.online,
            transaction_info=_info(evse, transaction, reason),
            evse=_place(evse) if kind == "Started" else UNSET,
            meter_value=UNSET if kind == "Updated" else (_reading(evse, kind, now),),
            id_token=_untold_token(transaction),
            reservation_id=UNSET if evse.untold is None else evse.untold,
        )
        # H01.FR.15, E03.FR.03: idToken and reservationId stand in the first event after the authorization, once.
        transaction.token_told, evse.untold = transaction.token is not None, None
        transaction.seq_no += 1
        self._outbox.put(Outgoing("TransactionEvent", request, self._listen(evse, transaction)), now=now)

    def _listen(self, evse: Evse, transaction: Transaction) -> Callable[[Struct | None, datetime], None]:
        def then(answer: Struct | None, now: datetime) -> None:
            info = answer.id_token_info if isinstance(answer, TransactionEventResponse) else UNSET
            if info is not UNSET and info.status != "Accepted":
                self._refused(evse, transaction.id, now)

        return then


def _info(evse: Evse, transaction: Transaction, reason: ReasonEnumType | None) -> TransactionType:
    idle: ChargingStateEnumType = "Idle" if evse.plugged is None else "EVConnected"
    return TransactionType(
        transaction_id=transaction.id,
        charging_state=idle if transaction.charging_since is None else "Charging",
        stopped_reason=UNSET if reason is None else reason,
        remote_start_id=UNSET if transaction.remote_start_id is None else transaction.remote_start_id,
    )


def _place(evse: Evse) -> EVSEType:
    return EVSEType(id=evse.id, connector_id=UNSET if evse.plugged is None else evse.plugged)


def _untold_token(transaction: Transaction) -> IdTokenType | UnsetType:
    return UNSET if transaction.token is None or transaction.token_told else transaction.token


def _reading(evse: Evse, kind: TransactionEventEnumType, now: datetime) -> MeterValueType:
    sample = SampledValueType(
        value=round(evse.meter_wh, 1),
        context="Transaction.Begin" if kind == "Started" else "Transaction.End",
        measurand="Energy.Active.Import.Register",
    )
    return MeterValueType(timestamp=now, sampled_value=(sample,))
