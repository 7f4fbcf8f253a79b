"""What the stations of a run are like: hardware, habits and faults, drawn."""

import random
from datetime import timedelta
from typing import Final

from evhold.simulator.options import Misbehaviour, StationOptions

#: How wrong a station's clock is, in seconds, and how often.
CLOCKS: Final = {0.0: 60, 2.0: 8, -2.0: 8, 45.0: 5, -45.0: 5, 600.0: 6, -600.0: 6, 86_400.0: 1, -86_400.0: 1}


def draw_options(station_id: str, rng: random.Random) -> StationOptions:
    """One station."""
    return StationOptions(
        station_id=station_id,
        evses=rng.choice((1, 2, 2, 3)),
        tx_start_point=rng.choice(("PowerPathClosed", "Authorized", "EVConnected", "ParkingBayOccupancy")),
        reports=rng.choice(("status", "event", "both")),
        cache=rng.random() < 0.3,
        queue_all=rng.random() < 0.3,
        offline_threshold_s=rng.choice((0.0, 60.0)),
        forget_on_reboot=rng.random() < 0.4,
        connection_timeout_s=rng.choice((20, 120)),
        misbehaviour=draw_misbehaviour(rng),
    )


def draw_misbehaviour(rng: random.Random) -> Misbehaviour:
    """Its faults: none in every second run."""
    skew = timedelta(seconds=rng.choices(list(CLOCKS), list(CLOCKS.values()))[0])
    if rng.random() < 0.5:
        return Misbehaviour(clock_offset=skew)
    odd = rng.random() < 0.15
    return Misbehaviour(
        clock_offset=skew,
        update_before_status=rng.random() < 0.3,
        no_update=rng.random() < 0.2,
        rejects_same_id=rng.random() < 0.3,
        drops_on_refused_replace=rng.random() < 0.3,
        reservation_id_on_plug_in=rng.random() < 0.3,
        answer_delay={"ReserveNow": 35.0} if rng.random() < 0.1 else {},
        never_answer=frozenset({rng.choice(("ReserveNow", "CancelReservation"))} if odd else ()),
        call_error={"CancelReservation": rng.choice(("NotImplemented", "InternalError"))}
        if rng.random() < 0.08
        else {},
    )
