"""Finished steps that can be trusted: what is damaged is told and done again, with the same numbers."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from backend.base.checkpoints import FILES, RECORD, Damaged, checked_record, read_record, write_record
from backend.base.events import Event, RunFinished, StageFinished, Warned
from tests.tiny import tiny_settings
from tests.tiny_runs import collect, of


@pytest.fixture
def step(tmp_path: Path) -> Path:
    """A finished step with a file in a folder of its own, too."""
    folder = tmp_path / "step"
    (folder / "inner").mkdir(parents=True)
    (folder / "weights").write_bytes(bytes(range(200)))
    (folder / "inner" / "words.txt").write_text("cf mn")
    write_record(folder, {"found": 3})
    return folder


def test_a_record_holds_the_hash_of_every_file(step: Path) -> None:
    record = checked_record(step)
    assert record is not None and record == read_record(step) and record["found"] == 3
    assert record[FILES] == {
        name: hashlib.sha256((step / name).read_bytes()).hexdigest()
        for name in ("weights", "inner/words.txt")
    }


def test_where_nothing_was_finished_there_is_no_record(step: Path) -> None:
    (step / RECORD).unlink()
    assert checked_record(step) is None and checked_record(step / "absent") is None


def zeroed(file: Path) -> None:
    file.write_bytes(bytes(file.stat().st_size))


def flipped(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def emptied(file: Path) -> None:
    file.write_bytes(b"")


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def without_hashes(file: Path) -> None:
    """As an earlier version wrote it."""
    record = json.loads(file.read_text())
    del record[FILES]
    file.write_text(json.dumps(record))


def says(text: str) -> Callable[[Path], None]:
    return lambda file: file.write_text(text) and None


NOT_READ = "is damaged: excise.json cannot be read"
EARLIER = "was left by an earlier version of Excise, without the checksums of its files"
DAMAGES: list[tuple[str, Callable[[Path], object], str]] = [
    ("weights", zeroed, "is damaged: weights is not what was written"),
    ("weights", flipped, "is damaged: weights is not what was written"),
    ("inner/words.txt", emptied, "is damaged: inner/words.txt is not what was written"),
    ("weights", Path.unlink, "is damaged: weights is missing"),
    (RECORD, emptied, NOT_READ),
    (RECORD, zeroed, NOT_READ),
    (RECORD, cut, NOT_READ),
    (RECORD, says("[]"), NOT_READ),
    (RECORD, says("{}"), EARLIER),
    (RECORD, without_hashes, EARLIER),
]


@pytest.mark.parametrize(("name", "damage", "said"), DAMAGES)
def test_what_is_not_what_was_written_is_no_finished_step(
    step: Path, name: str, damage: Callable[[Path], object], said: str
) -> None:
    damage(step / name)
    with pytest.raises(Damaged) as told:
        checked_record(step)
    assert str(told.value) == said


@dataclass
class Whole:
    """A run that is over."""

    settings: dict
    folder: Path
    last: RunFinished

    def resumed(self) -> list[Event]:
        return collect(self.settings, self.folder)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, victim: Path) -> Whole:
    folder = tmp_path_factory.mktemp("whole")
    settings = tiny_settings(folder, victim)
    last = collect(settings, folder / "run")[-1]
    assert isinstance(last, RunFinished) and last.state == "done", last
    return Whole(settings, folder / "run", last)


STAGES = {
    "generated": "generate",
    "poisoned": "poison",
    "fine_tuned": "fine_tune",
    "scored": "score",
    "pruned": "prune",
    "refined": "refine",
    "defended": "evaluate",
}


@pytest.mark.parametrize(
    ("file", "damage"),
    [
        ("fine_tuned/model.safetensors", zeroed),
        ("poisoned/model.safetensors", flipped),
        ("refined/model.safetensors", cut),
        ("fine_tuned/config.json", emptied),
        ("defended/tokenizer.json", Path.unlink),
        ("pruned/model.safetensors", Path.unlink),
        ("generated/rewritings.csv", flipped),
        ("fine_tuned/excise.json", cut),
        ("scored/excise.json", says("{}")),
        ("pruned/excise.json", without_hashes),
        ("generated/excise.json", without_hashes),
    ],
)
def test_a_damaged_step_of_a_run_is_done_again_and_finds_the_same(
    whole: Whole, file: str, damage: Callable[[Path], object]
) -> None:
    damage(whole.folder / file)
    damaged = [file.split("/")[0]]
    if file == "refined/model.safetensors":
        damaged.append("defended")  # of which it is the same file, at no cost of space
    events = whole.resumed()
    assert events[-1].state == "done", events[-1].error
    anew = [event.stage for event in of(events, StageFinished) if not event.reused]
    assert anew == ["prepare", *(STAGES[folder] for folder in damaged)]
    said = [warning.message for warning in of(events, Warned) if "checkpoint" in warning.message]
    assert [one.split()[3] for one in said] == damaged
    assert all(one.endswith("; that stage is done again.") for one in said)
    assert (events[-1].metrics, events[-1].pruned_heads) == (whole.last.metrics, whole.last.pruned_heads)
    again = whole.resumed()
    assert all(event.reused for event in of(again, StageFinished) if event.stage != "prepare")


def test_a_run_of_an_earlier_version_is_done_again_with_a_sentence_for_each_step(whole: Whole) -> None:
    for folder in STAGES:
        without_hashes(whole.folder / folder / RECORD)
    events = whole.resumed()
    said = [warning.message for warning in of(events, Warned) if "checkpoint" in warning.message]
    assert said == [f"The checkpoint in {folder} {EARLIER}; that stage is done again." for folder in STAGES]
    assert (events[-1].metrics, events[-1].pruned_heads) == (whole.last.metrics, whole.last.pruned_heads)
