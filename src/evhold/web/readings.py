"""The reads of the page, and what an operator switches there, as operations of the API."""

from typing import Final

from evhold.web import dto, figures, spreadsheet, stations, timeline
from evhold.web.operations import LOOKING, OPERATING, Operation

READINGS: Final = (
    Operation(
        method="GET",
        path="/reservations.csv",
        name="downloadReservations",
        summary="Reservations as a CSV file, newest first, all that fit",
        tag="reservations",
        roles=LOOKING,
        handler=spreadsheet.show,
        query=dto.ReservationsWanted,
        answers={200: str},
        media_type="text/csv",
    ),
    Operation(
        method="GET",
        path="/figures",
        name="showFigures",
        summary="What became of the reservations of a period, by day; at most 366 days",
        tag="site",
        roles=LOOKING,
        handler=figures.show,
        query=figures.FiguresQuery,
        answers={200: figures.FiguresDto},
    ),
    Operation(
        method="GET",
        path="/timeline",
        name="showTimeline",
        summary="What held, used or hindered each EVSE in the hours asked for; at most 48",
        tag="site",
        roles=LOOKING,
        handler=timeline.show,
        query=timeline.TimelineQuery,
        answers={200: timeline.TimelineDto},
        problems=("station-unknown",),
    ),
    Operation(
        method="GET",
        path="/calls",
        name="listActions",
        summary="The actions that can be sent to a station, each with the JSON Schema of its payload",
        tag="stations",
        roles=LOOKING,
        handler=stations.actions,
        answers={200: list[dto.ActionDto]},
    ),
    Operation(
        method="PUT",
        path="/stations/{stationId}/capabilities",
        name="switchReservations",
        summary="Set ReservationCtrlr.Enabled at the station (B05)",
        tag="stations",
        roles=OPERATING,
        handler=stations.switch_reservations,
        body=dto.CapabilitiesPut,
        answers={200: dto.StationDto},
        problems=(
            "station-unknown",
            "variable-refused",
            "station-call-error",
            "station-offline",
            "station-busy",
            "station-silent",
        ),
    ),
)
