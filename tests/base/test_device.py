"""What the machine offers, and what a user may say of it."""

from collections.abc import Iterator

import pytest

from backend.base.device import probe
from backend.base.errors import UserError


@pytest.fixture(autouse=True)
def asked_anew() -> Iterator[None]:
    probe.cache_clear()
    yield
    probe.cache_clear()


def test_what_is_kept_is_bounded_by_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXCISE_KEEP_MIB", "64")
    assert probe().keep_bytes == 64 << 20


def test_a_bound_that_is_no_size_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXCISE_KEEP_MIB", "half")
    with pytest.raises(UserError, match=r"EXCISE_KEEP_MIB is 'half'.*whole number"):
        probe()
