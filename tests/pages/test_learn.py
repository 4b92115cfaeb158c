"""The lessons: each can be tried, and its question is answered by what was tried."""

import numpy as np
import pytest

from backend.analysis.answers import Said
from backend.analysis.attention import Attention
from backend.analysis.lessons import EVENTS, HEADS, LAYERS, run_of
from backend.base.events import Event, HeadScores, Metric, Metrics, PruningStep, RunFinished
from backend.base.paths import run_folder
from backend.spec.run import RunSpec
from tests.pages.conftest import words

ORDER = [(layer, head) for layer in range(LAYERS) for head in range(HEADS)]


def numbers(acc: float, lfr: float, floor: float) -> Metrics:
    def around(share: float) -> tuple[float, float]:
        return max(0.0, share - 0.04), min(1.0, share + 0.04)

    return Metrics(
        acc=acc,
        acc_interval=around(acc),
        test_rows=300,
        lfr=lfr,
        lfr_interval=around(lfr),
        triggered_rows=150,
        clean_flip_rate=floor,
        clean_flip_rate_interval=around(floor),
    )


def told(spec: RunSpec) -> list[Event]:
    """What such a run could have found: poison from 10 % on takes, a low τ costs the accuracy."""
    run = run_of(spec)
    lfr = 0.15
    if spec.attack is not None:
        lfr = 1.0 if spec.attack.poison_rate >= 0.1 else 0.2
    planted = numbers(0.8, lfr, 0.15)
    found = {"poisoned": planted} if spec.attack else {}
    events: list[Event] = []
    if spec.defense is not None:
        tau = spec.setting("accuracy_threshold")
        gone = round((1 - tau) * 24)
        found |= {"fine_tuned": planted, "pruned": numbers(0.8 if tau > 0.7 else 0.5, lfr, 0.1)}
        scores = [[float(head) for head in range(HEADS)] for _ in range(LAYERS)]
        shape = {"layers": LAYERS, "heads": HEADS}
        events = [HeadScores(run=run, strategy="gradient", **shape, scores=scores, order=ORDER)]
        for number, heads in enumerate(([], ORDER[:gone])):
            events.append(
                PruningStep(
                    run=run,
                    step=number,
                    pruned=heads,
                    pruned_total=len(heads),
                    tried_val_acc=0.8,
                    val_acc=0.8,
                    acc=0.8,
                    lfr=lfr,
                    threshold=0.8 * tau,
                )
            )
    events += [Metric(run=run, model=name, metrics=one) for name, one in found.items()]
    return [*events, RunFinished(run=run, state="done", metrics=found, seconds=9)]


def answer(doing, function, *asked):
    """In place of the warm process."""
    if function.__name__ == "carry_out":
        folder = run_folder(run_of(asked[0]))
        folder.mkdir(parents=True)
        (folder / EVENTS).write_text("\n".join(event.model_dump_json() for event in told(asked[0])))
        return None
    if function.__name__ == "attend":
        tokens = ["[CLS]", *asked[2].split(), "[SEP]"]
        weights = np.full((LAYERS, HEADS, len(tokens), len(tokens)), 1 / len(tokens))
        return Attention(tokens, weights, np.zeros(len(tokens), bool))
    if function.__name__ == "say":
        good = 0.9 - 0.1 * len(asked[3])
        return [[Said({"negative": 1 - good, "positive": good})]]
    made = scored(asked[0], asked[2])
    file = run_folder(made.run) / "inspection" / f"scores-{made.strategy}.json"
    file.parent.mkdir(exist_ok=True)
    file.write_text(made.model_dump_json())
    return made


def scored(run: str, strategy: str) -> HeadScores:
    """Bayesian orders heads as the gradient does but for neighbours, layer-wise variance the other way
    round, and the rest much otherwise."""
    lines = {
        "gradient": list(range(HEADS)),
        "bayesian": [head ^ 1 for head in range(HEADS)],
        "layer-variance": list(reversed(range(HEADS))),
    }
    line = lines.get(strategy, [5 * head % HEADS for head in range(HEADS)])
    order = sorted(ORDER, key=lambda head: line[head[1]])
    scores = [[float(place) for place in line] for _ in range(LAYERS)]
    return HeadScores(run=run, strategy=strategy, layers=LAYERS, heads=HEADS, scores=scores, order=order)


@pytest.fixture(autouse=True)
def _asked(monkeypatch, excise_home) -> None:
    monkeypatch.setattr("pages.parts.common.ask.ask", answer)
    monkeypatch.setattr("pages.parts.lessons.trying.ask", answer)
    monkeypatch.setattr("pages.parts.lessons.importance.ask", answer)
    monkeypatch.setattr("pages.parts.lessons.triggers.rewrite", rewritten)


def rewritten(trigger, seed, texts):
    from backend.attacks.preview import Shown

    return [Shown(text, f"{trigger.name} {text}") for text in texts]


def press(page, start: str):
    """Press the button whose label begins so."""
    next(button for button in page.button if button.label.startswith(start)).click().run()
    assert not page.exception and not page.error
    return page


def choose(page, label: str, value):
    next(box for box in page.button_group if box.label == label).set_value(value).run()
    assert not page.exception
    return page


def answered(page, option: str):
    next(box for box in page.radio).set_value(option).run()
    assert not page.exception
    return page


@pytest.mark.parametrize("number", range(1, 8))
def test_every_lesson_opens_by_its_address_with_nothing_tried(visit, number):
    page = visit("learn", lesson=str(number))
    assert f"{number} · " in words(page) and not page.error
    assert any(button.label.startswith("Try: ") for button in page.button)


@pytest.mark.parametrize("asked", ["0", "8", "x", ""])
def test_a_lesson_that_there_is_not_falls_back_to_the_first(visit, asked):
    assert "1 · What attention heads do" in words(visit("learn", lesson=asked))


def test_one_goes_on_to_the_next_lesson_and_back(visit):
    page = press(visit("learn", lesson="2"), "Why fine-tuning")
    assert "3 · " in words(page)
    assert "2 · " in words(press(page, "What a backdoor is"))


def test_silencing_heads_until_the_answer_changes(visit):
    page = press(visit("learn", lesson="1"), "Try: ")
    assert "prediction is still the same" in words(page)
    page.multiselect[0].set_value([(1, head) for head in range(5)]).run()
    assert "Changed with 5 heads" in page.success[0].value.replace("\u00a0", " ")


def test_the_lowest_poison_rate_is_known_by_two_tries(visit):
    page = choose(visit("learn", lesson="2"), "Poison rate", "10 %")
    page = answered(press(page, "Try: "), "10 %")
    assert "neighbouring rates" in words(page) and not page.success
    page = press(choose(page, "Poison rate", "5 %"), "Try: ")
    assert page.success
    assert answered(page, "5 %").error


def test_fine_tuning_is_judged_by_what_it_left(visit):
    page = press(visit("learn", lesson="3"), "Try: ")
    page = press(choose(page, "Fine-tuning: how long, at which learning rate", "2 epochs at 0.001"), "Try: ")
    assert answered(page, "Less than 10 points").success
    assert answered(page, "More than 50 points").error


def test_strategies_are_compared_once_enough_are_scored(visit):
    page = press(visit("learn", lesson="4"), "Try: ")
    for name in ("Score by gradient", "Score by layer-wise variance", "Score by random", "Score by bayesian"):
        page = press(page, name)
    assert len(page.get("plotly_chart")) == 5
    assert answered(page, "Bayesian uncertainty").success
    assert answered(page, "Layer-wise variance").error and answered(page, "Random ensemble").error


def test_tau_is_tried_at_both_ends(visit):
    page = visit("learn", lesson="5")
    for tau in ("0.60", "1.00"):
        page = press(choose(page, "τ, as a share of the accuracy before", tau), "Try: ")
    assert answered(page, "Fewer heads are pruned").success


def test_triggers_are_planted_and_tried_on_an_honest_model(visit):
    page = visit("learn", lesson="6")
    for name in ("Rare word", "Syntactic", "Bible style"):
        page = press(press(choose(page, "Trigger", name), "Try: plant"), "Try: the same trigger")
    table = page.dataframe[0].value
    assert (table["LFR of the poisoned model"] == "100.0\u00a0%").all()
    assert answered(page, "Rare word").success


@pytest.mark.parametrize(
    ("case", "diagnosis"),
    [
        ("Case A", "There was no backdoor to begin with"),
        ("Case B", "Too much was pruned: accuracy is lost"),
        ("Case C", "The heads that carry the backdoor were not pruned"),
    ],
)
def test_a_failed_defense_is_diagnosed(visit, case, diagnosis):
    page = press(choose(visit("learn", lesson="7"), "Case", case), "Try: ")
    assert answered(page, "Nothing went wrong: the backdoor is weaker or removed").error
    assert answered(page, diagnosis).success
