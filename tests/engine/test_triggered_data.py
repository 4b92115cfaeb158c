"""Rows that get their trigger: one piece of work, however many splits and rounds it takes."""

import threading
from collections.abc import Callable, Sequence

import pytest

from backend.attacks.triggers import COMPONENTS
from backend.base.components import Params, Trigger
from backend.base.progress import Tick
from backend.base.reporter import Reporter
from backend.data.rows import Dataset
from backend.data.tokens import encode
from backend.engine.clean_data import CleanData
from backend.engine.triggered_data import generate
from backend.spec.presets import head_pruning
from backend.spec.run import AttackSpec, RunSpec, TriggerSpec
from tests.tiny import tiny_rows, tiny_tokenizer


class Watched(Reporter):
    def __init__(self) -> None:
        super().__init__("run", threading.Event(), lambda event: None)
        self.seen: list[tuple[int, int]] = []

    def ticker(self, detail: str, unit: str = "batches") -> Tick:
        return lambda done, total: self.seen.append((done, total))


def mark(
    texts: Sequence[str], *, params: Params, seed: int, progress: Callable[[int, int], None]
) -> list[str | None]:
    """Triggers every other row, so that more are asked for than are wanted."""
    for done in range(len(texts) + 1):
        progress(done, len(texts))
    return [f"cf {text}" if number % 2 else None for number, text in enumerate(texts)]


@pytest.mark.parametrize("attack", [AttackSpec(poison_rate=0.25), None])
def test_progress_goes_up_to_the_end_once(attack: AttackSpec | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(COMPONENTS, "mark", Trigger("mark", "Mark", "", Params, mark))
    train, test, tokenizer = tiny_rows(80, seed=1), tiny_rows(24, seed=2), tiny_tokenizer()
    clean = [encode(tokenizer, rows, 32) for rows in (train, test, test)]
    clean_data = CleanData(Dataset("tiny", train, test, test, ["bad", "good"], []), *clean, target_class=1)
    spec = RunSpec(trigger=TriggerSpec(name="mark"), attack=attack, defense=head_pruning())
    report = Watched()
    generate(spec, clean_data, report)
    done = [at for at, _ in report.seen]
    assert done == sorted(done) and done[-1] == report.seen[-1][1]
    assert report.seen[0][1] == 12 + (10 if attack else 0), "both splits are counted from the start"
