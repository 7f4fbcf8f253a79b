"""The ring of recent frames."""

from datetime import UTC, datetime

from evhold.gateway.frame_log import FrameLog

AT = datetime(2026, 1, 1, tzinfo=UTC)


def numbers(log: FrameLog, station_id: str, **options) -> list[str]:
    """The frames of a station as they are read."""
    return [entry.frame for entry in log.newest(station_id, **options)]


def filled(count: int) -> FrameLog:
    """A log of frames of two stations in turn."""
    log = FrameLog()
    for number in range(count):
        log.add("CS1" if number % 2 == 0 else "CS2", "in", AT, str(number).encode())
    return log


def test_the_newest_come_first_and_only_the_stations_own():
    """Other stations' frames are left out, and the limit holds."""
    assert numbers(filled(10), "CS1", limit=3) == ["8", "6", "4"]


def test_a_page_goes_on_where_the_last_one_ended():
    """The last number of a page is the cursor of the next, whatever came in between."""
    log = filled(10)
    page = log.newest("CS2", limit=2)
    log.add("CS2", "out", AT, b"99")

    assert numbers(log, "CS2", limit=9, before=page[-1].number) == ["5", "3", "1"]


def test_who_asks_again_gets_what_is_new():
    """Only frames with a higher number, also together with a cursor; nothing where nothing came."""
    log = filled(10)
    last = log.newest("CS1", limit=1)[0].number

    assert numbers(log, "CS1", limit=9, after=last) == []
    assert numbers(log, "CS1", limit=9, after=last - 3) == ["8", "6"]
    assert numbers(log, "CS1", limit=9, after=last - 3, before=last) == ["6"]


def test_the_oldest_fall_out():
    """The bound counts bytes, those of the objects around a frame too."""
    log = FrameLog(1000)
    for number in range(100):
        log.add("CS1", "in", AT, str(number).encode())

    assert numbers(log, "CS1", limit=100) == ["99", "98", "97", "96"]


def test_no_room_keeps_nothing():
    """A limit of zero switches the log off."""
    log = FrameLog(0)
    log.add("CS1", "in", AT, b"1")

    assert numbers(log, "CS1", limit=1) == []


def test_frames_are_masked_when_read():
    """No token leaves the log."""
    log = FrameLog()
    log.add("CS1", "in", AT, b'[2,"1","Authorize",{"idToken":{"idToken":"AABBCCDD","type":"ISO14443"}}]')

    assert numbers(log, "CS1", limit=1) == ['[2,"1","Authorize",{"idToken":{"idToken":"****CCDD","type":"ISO14443"}}]']
