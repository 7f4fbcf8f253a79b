"""Station ids, and how secrets are kept."""

import pytest

from evhold.domain.credentials import hash_key, hash_password, is_station_id


@pytest.mark.parametrize("station_id", ["CS1", "DE*ABC*E1", "a b", "x" * 48, "a.b-c_d=e+f|g@h"])
def test_a_station_can_be_called_so(station_id):
    """The specification's alphabet, and a space within."""
    assert is_station_id(station_id)


@pytest.mark.parametrize("station_id", ["", "x" * 49, "a:b", " a", "a ", "a/b", "ä", "a\n"])
def test_a_station_can_not_be_called_so(station_id):
    """A colon would end the user name of Basic auth."""
    assert not is_station_id(station_id)


def test_a_password_is_kept_as_a_salted_hash():
    """The same password under another salt has another hash."""
    assert hash_password(b"salt", "a") == hash_password(b"salt", "a") != hash_password(b"pepper", "a")


def test_a_key_is_kept_as_a_hash():
    """Equal keys have equal hashes, others do not."""
    assert hash_key("evh_a") == hash_key("evh_a") != hash_key("evh_b")
    assert b"evh_a" not in hash_key("evh_a")
