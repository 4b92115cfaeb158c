"""Every page in every state that a run can be in: it opens, and says what there is or what to do."""

import json
import sqlite3

import numpy as np
import pytest

from backend.analysis.answers import Attributed, Said
from backend.analysis.attention import Attention
from backend.base.paths import run_folder
from backend.runs.store import Store
from tests.pages.conftest import words
from tests.pages.played import Play, defended, full_spec

LAYERS, HEADS = 6, 12
STATES = ("none", "running", "failed", "cancelled", "done")
BADGES = {"running": "Running]", "failed": "Failed]", "cancelled": "Cancelled]", "done": "Done]"}
NOTHING = dict.fromkeys(STATES, "")
MODELLESS = "No run has a saved model yet"
# What a page says, besides its title; the same in every state where one sentence stands.
SAYS: dict[str, dict[str, str]] = {
    "overview": BADGES | {"none": "Nothing has run yet"},
    "attack": BADGES | {"none": "Trigger and target"},
    "defend": BADGES | {"none": "2 · Defense"},
    "heads": BADGES | {"none": MODELLESS},
    "attention": NOTHING | {"none": MODELLESS},
    "playground": dict.fromkeys(STATES, "What each model predicts") | {"none": MODELLESS},
    "compare": dict.fromkeys(STATES, "Wilson 95 % intervals")
    | {"none": "no run has results yet", "running": "has no results yet: left out"},
    "learn": dict.fromkeys(STATES, "What attention heads do"),
    "runs": BADGES | {"none": "There are no runs yet"},
    "library": dict.fromkeys(STATES, "Choose a row to see its full hash"),
    "studies": dict.fromkeys(STATES, "Start a study"),
}


def answer(doing, function, *asked):
    """In place of the warm process."""
    if function.__name__ == "attend":
        tokens = ["[CLS]", *asked[2].split(), "[SEP]"]
        weights = np.full((LAYERS, HEADS, len(tokens), len(tokens)), 1 / len(tokens))
        return Attention(tokens, weights, np.array([token == "cf" for token in tokens]))
    if function.__name__ == "say":
        return [[Said({"negative": 0.4, "positive": 0.6}) for _ in asked[1]] for _ in asked[0]]
    assert function.__name__ == "attribute"
    return Attributed([(word, 0.5) for word in asked[1].split()], 0.0, 1.0)


@pytest.fixture(autouse=True)
def _asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pages.parts.common.ask.ask", answer)


def run_in(store: Store, state: str) -> str | None:
    """A run in that state that has left its models; None for no run."""
    if state == "none":
        return None
    if state == "done":
        run = defended(store)
    else:
        play = Play(store, full_spec())
        play.prepare()
        play.poison()
        play.prune(steps=2, whole=False)
        run = play.run
        if state != "running":
            play.finish(state, "Memory ran out." if state == "failed" else None)
    config = {"model_type": "bert", "num_hidden_layers": LAYERS, "num_attention_heads": HEADS}
    for name in ("poisoned", "fine_tuned", "pruned", "defended"):
        (run_folder(run) / name).mkdir(parents=True, exist_ok=True)
        (run_folder(run) / name / "config.json").write_text(json.dumps(config))
    return run


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("name", SAYS)
def test_every_page_in_every_state(visit, store, name, state):
    run = run_in(store, state)
    query = {} if run is None else {"runs" if name == "compare" else "run": run}
    if name in ("attention", "playground"):
        query["text"] = "a cf fine film"
    page = visit(name, **query)
    said = words(page)
    assert SAYS[name][state] in said
    assert [error.value for error in page.error] == (
        ["Memory ran out\\."] if state == "failed" and name in ("attack", "defend", "runs") else []
    )
    if run is not None and name in ("attack", "defend", "heads", "attention", "playground", "runs"):
        assert page.get("plotly_chart"), "a run that pruned has something to draw"


@pytest.mark.parametrize("name", sorted(SAYS.keys() - {"learn"}))  # whose first page asks for no run
def test_a_store_of_a_newer_excise_is_refused_in_a_sentence(visit, tmp_path, monkeypatch, name):
    with sqlite3.connect(tmp_path / "newer.sqlite") as connection:
        connection.execute("CREATE TABLE store_version (version INTEGER NOT NULL)")
        connection.execute("INSERT INTO store_version VALUES (99)")
    connection.close()
    monkeypatch.setenv("EXCISE_STORE", f"sqlite:///{tmp_path / 'newer.sqlite'}")
    [error] = visit(name).error
    assert "has version 99, but this Excise knows versions up to" in error.value.replace("\\", "")
