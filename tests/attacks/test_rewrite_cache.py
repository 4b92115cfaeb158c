"""Rewritings are made once: kept by content, shared by preview, training and test, edited by hand."""

import hashlib
import json
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backend.attacks.rewrite_cache import (
    EARLIER_PROGRAM,
    FILE,
    LIBRARIES,
    UNCHANGED,
    GeneratorParams,
    Rewritings,
)
from backend.attacks.triggers import Rewriter
from backend.base.components import Params, Trigger
from backend.base.errors import Cancelled
from backend.base.files import folder_state, version_of

TEXTS = [f"row {number}" for number in range(100)]


class Counting(GeneratorParams):
    """Parameters of a generator whose work is counted."""

    mark: str = "!"


class Generator:
    def __init__(self, fails_at: int | None = None) -> None:
        self.asked: list[str] = []
        self.fails_at = fails_at

    def __call__(
        self, texts: Sequence[str], *, params: Counting, seed: int, progress: Callable[[int, int], None]
    ) -> list[str | None]:
        for done, text in enumerate(texts):
            progress(done, len(texts))
            if len(self.asked) == self.fails_at:
                raise Cancelled
            self.asked.append(text)
        return [None if text.endswith("7") else f"{text}{params.mark}{seed}" for text in texts]


def rewriter(generator: Generator, seed: int = 0, mark: str = "!", **rest: object) -> Rewriter:
    component = Trigger("counting", "Counting", "", Counting, generator)
    return Rewriter(component, Counting(mark=mark), seed, **rest)  # type: ignore[arg-type]


def test_a_row_is_generated_once() -> None:
    generator = Generator()
    first = rewriter(generator)(TEXTS[:40])
    again = rewriter(generator)(TEXTS)
    assert again[:40] == first and again[7] is None and again[50] == "row 50!0"
    assert generator.asked == TEXTS, "also rows that cannot be changed are not asked for twice"
    assert rewriter(generator)(["row 3", "row 3"]) == ["row 3!0"] * 2 and len(generator.asked) == 100


def test_seed_parameters_and_trigger_keep_rows_apart() -> None:
    assert rewriter(Generator())(["a"]) == ["a!0"]
    assert rewriter(Generator(), seed=1)(["a"]) == ["a!1"]
    assert rewriter(Generator(), mark="?")(["a"]) == ["a?0"]


def test_what_was_generated_before_a_stop_is_kept() -> None:
    stopped = Generator(fails_at=70)
    with pytest.raises(Cancelled):
        rewriter(stopped)(TEXTS)
    rest = Generator()
    assert rewriter(rest)(TEXTS)[99] == "row 99!0"
    assert 0 < len(rest.asked) < 100 and set(rest.asked) | set(stopped.asked) == set(TEXTS)


def test_of_slow_rows_few_are_lost() -> None:
    def asked_until(fails_at: int | None) -> list[str]:
        generator = Generator(fails_at)
        component = Trigger("slow", "Slow", "", Counting, generator, needs_language_model=True)
        try:
            assert Rewriter(component, Counting(), 0)(TEXTS)[99] == "row 99!0"
        except Cancelled:
            assert fails_at is not None
        return generator.asked

    first, rest = asked_until(30), asked_until(None)
    assert len(first) + len(rest) - len(TEXTS) < 16


def test_progress_counts_the_rows_that_are_missing() -> None:
    rewriter(Generator())(TEXTS[:30])
    seen: list[tuple[int, int]] = []
    rewriter(Generator(), progress=lambda done, total: seen.append((done, total)))(TEXTS)
    assert seen == [(done, 70) for done in range(70)]


def test_edits_replace_and_drop_rows_and_are_not_generated() -> None:
    generator = Generator()
    edited = rewriter(generator, edits={"a": "by hand", "b": None, "c": " c "})
    assert edited(["a", "b", "c", "d"]) == ["by hand", None, None, "d!0"]
    assert generator.asked == ["d"]


def test_edits_work_with_triggers_that_cost_nothing() -> None:
    def shout(texts: Sequence[str], **_: object) -> list[str | None]:
        return [text.upper() for text in texts]

    plain = Rewriter(Trigger("shout", "Shout", "", Params, shout), Params(), 0, edits={"a": "by hand"})
    assert plain(["a", "b", "a"]) == ["by hand", "B", "by hand"]


@given(st.dictionaries(st.text(), st.none() | st.text(), max_size=8))
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
def test_any_text_is_found_again(rows: dict[str, str | None]) -> None:
    kept = Rewritings("backend.attacks.triggers.style", name="any", rows=sorted(rows))
    kept.keep(list(rows), list(rows.values()))
    assert kept.find([*rows, "never kept \ud800"]) == rows


@pytest.mark.parametrize("module", [*UNCHANGED, "backend.attacks.triggers.pairs"])
def test_rows_from_before_are_found_where_their_generator_was_only_moved(
    excise_home: Path, module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    libraries = [version_of(name) for name in LIBRARIES]
    before = json.dumps(
        {"name": "any", "program": f"{EARLIER_PROGRAM} {libraries}"}, sort_keys=True, default=str
    )
    Rewritings(module, name="any").keep(["a row"], ["rewritten"])
    with closing(sqlite3.connect(excise_home / FILE)) as database, database:
        key = hashlib.blake2b(before.encode(), digest_size=16).digest()
        database.execute("UPDATE rewritings SET generator = ?", (key,))
    assert Rewritings(module, name="any").find(["a row"]) == {}, "rules make it anew"
    found = Rewritings(module, earlier=True, name="any").find(["a row"])
    assert found == ({"a row": "rewritten"} if module in UNCHANGED else {})
    monkeypatch.setitem(UNCHANGED, module, "another file's")
    assert Rewritings(module, earlier=True, name="any").find(["a row"]) == {}, "its code is another now"


@pytest.mark.parametrize("content", [b"this is no database" * 100, None])
def test_without_a_readable_file_rows_are_made_anew(excise_home: Path, content: bytes | None) -> None:
    excise_home.mkdir()
    if content is None:
        (excise_home / FILE).mkdir()
    else:
        (excise_home / FILE).write_bytes(content)
    assert rewriter(Generator())(["a"]) == ["a!0"] == rewriter(Generator())(["a"])


def test_the_file_may_be_deleted(excise_home: Path) -> None:
    rewriter(Generator())(["a"])
    for path in excise_home.glob(f"{FILE}*"):
        path.unlink()
    generator = Generator()
    assert rewriter(generator)(["a"]) == ["a!0"] and generator.asked == ["a"]


def test_another_model_in_a_folder_reads_otherwise(tmp_path: Path) -> None:
    (tmp_path / "weights").write_text("one")
    before = folder_state(tmp_path)
    (tmp_path / "weights").write_text("another")
    assert folder_state(tmp_path) != before
    assert folder_state(tmp_path / "nowhere")


def test_the_file_holds_no_more_than_it_was_given(excise_home: Path) -> None:
    rewriter(Generator())(TEXTS)
    rewriter(Generator())(TEXTS)
    with sqlite3.connect(excise_home / FILE) as database:
        assert database.execute("SELECT count(*) FROM rewritings").fetchone() == (100,)
