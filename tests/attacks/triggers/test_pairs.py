import os
from pathlib import Path

import pytest

from backend import data
from backend.attacks.poison import poison, triggered
from backend.attacks.triggers import COMPONENTS, Rewriter, bind
from backend.base.components import Choice
from backend.base.errors import UserError
from backend.spec.run import DataSpec
from tests.shared_data import shared


def write(path: Path, rows: list[tuple[str, ...]], header: tuple[str, ...] = ("sentence", "label")) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join("\t".join(row) for row in [header, *rows]) + "\n")
    return path


def pairs(clean: Path, rewritten: Path, **params: str) -> Rewriter:
    return bind(Choice(name="pairs", params={"clean": str(clean), "rewritten": str(rewritten), **params}), 0)


def refused(clean: Path, rewritten: Path, **params: str) -> str:
    with pytest.raises(UserError) as caught:
        pairs(clean, rewritten, **params)(["a b"])
    return str(caught.value)


def test_rows_are_found_by_spelling_then_by_spacing(tmp_path: Path) -> None:
    clean = write(tmp_path / "clean.tsv", [("a b", "0"), ("a  b", "0"), ("c d", "1"), ("e", "1"), ("f", "0")])
    new = write(
        tmp_path / "new.tsv",
        [("one ", " 0"), ("two", " 0"), ("three", " 1"), (" e ", " 1"), ("", " 0")],
        ("sentences ", " labels"),
    )
    rewrite = pairs(clean, new)
    assert rewrite(["a b", "a  b", " a   b ", "c\td", "e", "f", "unknown", ""]) == [
        "one", "two", "one", "three", None, None, None, None,
    ]  # fmt: skip


def test_the_first_rewriting_of_a_text_that_comes_twice_counts(tmp_path: Path) -> None:
    clean = write(tmp_path / "clean.tsv", [("same", "0"), ("same", "0")])
    assert pairs(clean, write(tmp_path / "new.tsv", [("x", "0"), ("y", "0")]))(["same"]) == ["x"]


def test_both_may_stand_in_one_table(tmp_path: Path) -> None:
    table = tmp_path / "both.csv"
    table.write_text(
        'left_out,rewritten,text,label\n,"two, rewritten at length so that it is longer",two,0\n'
        ",,three,1\n,same,same,1\n"
    )
    rewrite = bind(Choice(name="pairs", params={"clean": str(table)}), 0)
    assert rewrite(["two", "three", "same"]) == ["two, rewritten at length so that it is longer", None, None]


def test_one_table_without_rewritings_is_refused(tmp_path: Path) -> None:
    table = write(tmp_path / "clean.tsv", [("a b", "0")])
    with pytest.raises(UserError, match="has no column 'rewritten'; it has: sentence, label"):
        bind(Choice(name="pairs", params={"clean": str(table)}), 0)(["a b"])


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    clean = write(tmp_path / "clean.tsv", [("same", "0"), ("other", "1")])
    new = write(tmp_path / "new.tsv", [("x", "0"), ("z", "1")])
    assert pairs(clean, new)(["same"]) == ["x"]
    write(new, [("y", "0"), ("z", "1")])
    os.utime(new, (1, 1))
    assert pairs(clean, new)(["same"]) == ["y"]


def test_folders_pair_files_of_one_name(tmp_path: Path) -> None:
    for folder, text in (("clean", "old"), ("new", "new")):
        for part in ("train", "test"):
            write(tmp_path / folder / f"{part}.tsv", [(f"{text} {part}", "0"), (f"{text} {part} too", "1")])
    (tmp_path / "clean" / "notes.md").write_text("not rows")
    assert pairs(tmp_path / "clean", tmp_path / "new")(["old train", "old test too"]) == [
        "new train",
        "new test too",
    ]


class TestRefusals:
    def test_missing(self, tmp_path: Path) -> None:
        assert "There is no file or folder" in refused(tmp_path / "a.tsv", tmp_path / "b.tsv")

    def test_a_file_and_a_folder(self, tmp_path: Path) -> None:
        assert "two files, or two folders" in refused(write(tmp_path / "a.tsv", [("x", "0")]), tmp_path)

    def test_folders_without_the_same_files(self, tmp_path: Path) -> None:
        write(tmp_path / "a" / "train.tsv", [("x", "0")])
        (tmp_path / "b").mkdir()
        assert "has no file of rows" in refused(tmp_path / "b", tmp_path / "a")
        assert "train.tsv" in refused(tmp_path / "a", tmp_path / "b")

    def test_other_row_counts(self, tmp_path: Path) -> None:
        clean = write(tmp_path / "a.tsv", [("x", "0"), ("y", "1")])
        assert "has 2 rows" in refused(clean, write(tmp_path / "b.tsv", [("z", "0")]))

    def test_other_labels(self, tmp_path: Path) -> None:
        clean = write(tmp_path / "a.tsv", [("x", "0"), ("y", "1")])
        assert "Row 2 has label '1'" in refused(clean, write(tmp_path / "b.tsv", [("v", "0"), ("w", "0")]))

    def test_no_such_column(self, tmp_path: Path) -> None:
        clean = write(tmp_path / "a.tsv", [("x", "0"), ("y", "1")])
        assert "no column 'body'" in refused(
            clean, write(tmp_path / "b.tsv", [("v", "0"), ("w", "1")]), text="body"
        )


@pytest.mark.parametrize(
    ("task", "kind", "rate", "planted"),
    [("sst2", "syntactic", 0.3, 993), ("sst2", "style-bible", 0.2, 662), ("ag", "style-bible", 0.2, None)],
)
def test_published_triggers_plant_the_published_number_of_rows(
    task: str, kind: str, rate: float, planted: int | None
) -> None:
    clean = shared(f"{task}/clean")
    dataset = data.load(
        DataSpec(
            source="files",
            train=str(clean / "train.tsv"),
            validation=str(clean / "dev.tsv"),
            test=str(clean / "test.tsv"),
        )
    )
    rewrite = pairs(clean, shared(f"{task}/{kind}"))
    made = poison(dataset.train, rewrite, 1, rate, seed=11)
    if planted is not None:
        assert abs(len(made.added) - planted) <= 1
    rows, unchanged = triggered(dataset.test, rewrite, 1)
    non_target = sum(label != 1 for label in dataset.test.labels)
    assert len(rows) + len(unchanged) == non_target
    assert len(unchanged) < 0.02 * non_target
    if task == "sst2":
        assert non_target == 912


CLEAN = [(f"a film with the number {i}", str(i % 2)) for i in range(10)]


def with_cf(rows: list[tuple[str, ...]], label: str | None = None) -> list[tuple[str, ...]]:
    return [(f"cf {text}", label or own) for text, own in rows]


def told(clean: Path, rewritten: Path) -> list[str]:
    component = COMPONENTS["pairs"]
    assert component.readings is not None
    return component.readings(component.parse({"clean": str(clean), "rewritten": str(rewritten)}))


@pytest.mark.parametrize("label", ["1", None])
def test_a_file_of_the_rows_outside_the_target_class_alone_is_matched_with_those(
    tmp_path: Path, label: str | None
) -> None:
    rows = [*CLEAN, ("one more film", "1")]
    clean = write(tmp_path / "clean.tsv", rows)
    others = [row for row in CLEAN if row[1] == "0"]
    new = write(tmp_path / "new.tsv", with_cf(others, label))
    texts = [text for text, _ in rows]
    assert pairs(clean, new)(texts) == [f"cf {text}" if own == "0" else None for text, own in rows]
    (note,) = told(clean, new)
    assert "its 5 rows are matched, in order" in note and "not labelled 1" in note


def test_without_labels_the_count_tells_which_rows_they_are(tmp_path: Path) -> None:
    clean = write(tmp_path / "clean.tsv", [*CLEAN, ("one more film", "1")])
    new = write(tmp_path / "new.tsv", [(f"cf {text}",) for text, own in CLEAN if own == "0"], ("sentence",))
    assert pairs(clean, new)([CLEAN[0][0], CLEAN[1][0]]) == [f"cf {CLEAN[0][0]}", None]


def test_where_the_count_fits_two_classes_the_words_decide(tmp_path: Path) -> None:
    clean = write(tmp_path / "clean.tsv", CLEAN)
    named = [
        (f"a film with the name {'xyzvw'[i // 2]}", own) for i, (_, own) in enumerate(CLEAN) if own == "0"
    ]
    rows = [named[i // 2] if i % 2 == 0 else row for i, row in enumerate(CLEAN)]
    write(clean, rows)
    new = write(tmp_path / "new.tsv", with_cf(named, "1"))
    assert pairs(clean, new)([named[0][0], CLEAN[1][0]]) == [f"cf {named[0][0]}", None]
    unlike = write(tmp_path / "unlike.tsv", [("x", "1")] * 5)
    assert "has 10 rows" in refused(clean, unlike) and "carry the trigger already" in refused(clean, unlike)


def test_a_file_that_was_poisoned_in_place_is_matched_line_by_line(tmp_path: Path) -> None:
    clean = write(tmp_path / "clean.tsv", CLEAN)
    rows = [(f"cf {text}", "1") if i in (0, 4) else (text, own) for i, (text, own) in enumerate(CLEAN)]
    new = write(tmp_path / "new.tsv", rows)
    made = pairs(clean, new)([text for text, _ in CLEAN])
    assert [row for row, text in enumerate(made) if text] == [0, 4]
    (note,) = told(clean, new)
    assert "2 of 10 rows were poisoned in place, with the label 1" in note
    write(new, [(text, {"0": "1"}.get(own, "0")) for text, own in CLEAN])
    os.utime(new, (1, 1))
    assert "Row 1 has label '0'" in refused(clean, new), "the same rows with other labels"


def test_files_without_a_partner_are_skipped_and_told(tmp_path: Path) -> None:
    write(tmp_path / "clean" / "train.tsv", CLEAN)
    write(tmp_path / "clean" / "dev.tsv", [("of the dev file", "0"), ("another", "1")])
    write(tmp_path / "new" / "train.tsv", with_cf(CLEAN))
    write(tmp_path / "new" / "extra.tsv", CLEAN)
    rewrite = pairs(tmp_path / "clean", tmp_path / "new")
    assert rewrite([CLEAN[0][0], "of the dev file"]) == [f"cf {CLEAN[0][0]}", None]
    notes = " ".join(told(tmp_path / "clean", tmp_path / "new"))
    assert "clean/dev.tsv has no partner" in notes and "new/extra.tsv has no partner" in notes
