import time
from collections.abc import Callable

import datasets
import pytest

from backend import data
from backend.base.errors import UserError
from backend.data import hub
from backend.spec.run import DataSpec

Parts = dict[str, datasets.Dataset]


def part(start: int, count: int, labels: list[int]) -> datasets.Dataset:
    features = datasets.Features(
        {
            "sentence": datasets.Value("string"),
            "label": datasets.ClassLabel(names=["world", "sports"]),
            "tokens": datasets.List(datasets.Value("string")),
        }
    )
    rows = range(start, start + count)
    return datasets.Dataset.from_dict(
        {
            "sentence": [f"news item {i}" for i in rows],
            "label": [labels[i % len(labels)] for i in rows],
            "tokens": [["news"] for _ in rows],
        },
        features=features,
    )


@pytest.fixture(autouse=True)
def _nothing_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "REMEMBERED", 0)


@pytest.fixture
def hub_holds(monkeypatch: pytest.MonkeyPatch) -> Callable[[Parts], list[tuple[str, str | None]]]:
    def hold(parts: Parts) -> list[tuple[str, str | None]]:
        asked: list[tuple[str, str | None]] = []

        def load_dataset(path: str, name: str | None = None) -> datasets.DatasetDict:
            asked.append((path, name))
            return datasets.DatasetDict(parts)

        monkeypatch.setattr(hub, "hub_reachable", lambda: True)
        monkeypatch.setattr(datasets, "load_dataset", load_dataset)
        return asked

    return hold


def load(name: str, **settings: object) -> data.Dataset:
    return data.load(DataSpec.model_validate({"source": "hub", "name": name, **settings}))


def test_hidden_test_labels_make_the_validation_rows_the_test_rows(hub_holds: Callable) -> None:
    asked = hub_holds(
        {"train": part(0, 100, [0, 1]), "validation": part(100, 20, [0, 1]), "test": part(120, 20, [-1])}
    )
    found = load("sst2")
    assert asked == [("stanfordnlp/sst2", None)]
    assert (len(found.train), len(found.validation), len(found.test)) == (90, 10, 20)
    assert set(found.test.texts) == {f"news item {i}" for i in range(100, 120)}
    assert any("hidden" in note for note in found.notes)


def test_class_names_keep_their_numbers(hub_holds: Callable) -> None:
    hub_holds({"train": part(0, 100, [0, 1]), "test": part(100, 20, [0, 1])})
    found = load("owner/name")
    assert found.label_names == ["world", "sports"]
    assert all(
        label == int(text.split()[-1]) % 2
        for text, label in zip(found.test.texts, found.test.labels, strict=True)
    )


def test_all_three_splits_are_taken_as_they_are(hub_holds: Callable) -> None:
    asked = hub_holds(
        {
            "train": part(0, 40, [0, 1]),
            "dev": part(40, 10, [0, 1]),
            "test": part(50, 10, [1, 0]),
            "extra": part(60, 9, [1]),
        }
    )
    found = load("owner/name:config")
    assert asked == [("owner/name", "config")]
    assert (len(found.train), len(found.validation), len(found.test)) == (40, 10, 10)


def test_rows_without_a_label_are_dropped(hub_holds: Callable) -> None:
    hub_holds({"train": part(0, 90, [0, 1, -1])})
    assert "train: 30 rows without a label dropped." in load("owner/name").notes


def test_a_data_set_without_a_train_split_is_refused(hub_holds: Callable) -> None:
    hub_holds({"test": part(0, 40, [0, 1])})
    with pytest.raises(UserError, match="no train split; it has: test"):
        load("owner/name")


def test_an_error_of_the_library_is_one_message(hub_holds: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    hub_holds({})

    def fail(*_: object) -> None:
        raise ValueError("Config name is missing.\nPick one of ['a', 'b']")

    monkeypatch.setattr(datasets, "load_dataset", fail)
    with pytest.raises(
        UserError, match=r"'owner/name' could not be loaded.*Config name is missing. Pick one of"
    ):
        load("owner/name")


def test_without_the_hub_it_fails_at_once_and_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    started = time.monotonic()
    with pytest.raises(UserError) as caught:
        load("nobody/nothing-at-all")
    assert time.monotonic() - started < 10
    assert all(
        word in str(caught.value) for word in ("nobody/nothing-at-all", "connect", "files", "embedded")
    )
    assert datasets.config.HF_HUB_OFFLINE is False
