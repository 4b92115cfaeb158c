"""The guardrail against a slow, obvious model of it."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.base.events import Guardrail, Head
from backend.pruning.guardrail import Step, prune

SHAPE = (3, 4)
HEADS = [(layer, head) for layer in range(3) for head in range(4)]
Search = tuple[list[Head], dict[Head, float], float, int]


@st.composite
def searches(draw):
    """An order over some heads, what each head is worth, τ and s.  Some heads help when they go."""
    order = draw(st.permutations(HEADS))[: draw(st.integers(0, len(HEADS)))]
    worth = {head: draw(st.integers(-3, 6)) / 64 for head in HEADS}
    return order, worth, draw(st.integers(0, 64)) / 64, draw(st.integers(1, 13))


def accuracy_of(worth):
    def accuracy(pruned: np.ndarray) -> float:
        return 0.75 - sum(worth[head] for head in HEADS if pruned[head])

    return accuracy


def obvious(order, worth, threshold, prune_step):
    """Sets of heads after each step, by the method's words, with no cleverness at all."""
    gone: list = []
    states = [set()]
    queue = list(order)

    def acc(heads) -> float:
        return 0.75 - sum(worth[h] for h in HEADS if h in heads)

    while True:
        step = []
        while queue and len(step) < prune_step:
            head = queue.pop(0)
            others = [h for h in HEADS if h[0] == head[0] and h != head and h not in gone and h not in step]
            if others:
                step.append(head)
        if not step:
            return states
        gone = gone + step
        stopped = False
        while step and acc(gone) < threshold:
            gone.remove(step.pop())
            stopped = True
        states.append(set(gone))
        if stopped:
            return states


def obvious_published(
    order: list[Head], worth: dict[Head, float], threshold: float, prune_step: int, guardrail: Guardrail
) -> list[set[Head]]:
    """The same of the published scripts' guardrails: a head that is spared uses up its place."""
    states: list[set[Head]] = [set()]

    def acc() -> float:
        return 0.75 - sum(worth[head] for head in states[-1])

    for start in range(0, len(order), prune_step):
        gone = set(states[-1])
        step = []
        for head in order[start : start + prune_step]:
            if sum(other[0] == head[0] for other in gone) < SHAPE[1] - 1:
                gone.add(head)
                step.append(head)
        if not step:
            continue
        states.append(gone)
        given_back = 0
        while guardrail != "stop" and acc() < threshold and step:
            states[-1].remove(step.pop())
            given_back += 1
        if acc() < threshold or (given_back and guardrail == "give back"):
            break
    return states


def run(search: Search, guardrail: Guardrail = "backtrack") -> list[Step]:
    order, worth, threshold, prune_step = search
    return list(prune(order, SHAPE, accuracy_of(worth), threshold, prune_step, guardrail))


def states_of(steps: list[Step]) -> list[set[Head]]:
    return [{(int(a), int(b)) for a, b in np.argwhere(step.pruned)} for step in steps]


@given(searches())
def test_it_equals_the_obvious_model(search) -> None:
    assert states_of(run(search)) == obvious(*search)


@given(searches())
def test_without_a_guardrail_all_of_the_order_goes_at_once(search: Search) -> None:
    order = set(search[0])
    assert states_of(run(search, "none")) == ([set(), order] if order else [set()])


@given(searches(), st.sampled_from(["give back", "go on", "stop"]))
def test_the_guardrails_of_the_scripts_equal_their_obvious_models(
    search: Search, guardrail: Guardrail
) -> None:
    assert states_of(run(search, guardrail)) == obvious_published(*search, guardrail)


@given(searches(), st.sampled_from(["give back", "go on", "stop"]))
def test_every_guardrail_keeps_a_head_of_each_layer(search: Search, guardrail: Guardrail) -> None:
    assert all((~step.pruned).any(axis=1).all() for step in run(search, guardrail))


def test_steps_of_other_sizes_are_tried_where_they_are_given() -> None:
    steps = prune(HEADS[:6], SHAPE, lambda pruned: 1.0, 0.5, 2, "stop", step_sizes=[1, 3, 2])
    assert [len(step.tried) for step in steps] == [0, 1, 2, 2], "the last head of the first layer stays"


@given(searches(), st.sampled_from(["stop", "none"]))
def test_the_other_guardrails_give_nothing_back_and_tell_the_cost(
    search: Search, guardrail: Guardrail
) -> None:
    accuracy = accuracy_of(search[1])
    for step in run(search, guardrail):
        assert step.restored == []
        assert step.val_acc == step.tried_val_acc == accuracy(step.pruned)


@pytest.mark.parametrize(("guardrail", "gone"), [("backtrack", [0, 1, 1]), ("stop", [0, 1, 2])])
def test_a_step_that_ends_at_the_threshold_has_not_fallen(guardrail: Guardrail, gone: list[int]) -> None:
    steps = prune(HEADS[:3], SHAPE, lambda pruned: 0.75 - pruned.sum() / 4, 0.5, 1, guardrail)
    assert [step.pruned.sum() for step in steps] == gone


@given(searches())
def test_a_quick_answer_below_the_threshold_changes_no_step(search: Search) -> None:
    """`decide` answers in place of all but the first question of a step."""
    order, worth, threshold, prune_step = search
    asked: list[np.ndarray] = []

    def accuracy(pruned: np.ndarray) -> float:
        asked.append(pruned.copy())
        return accuracy_of(worth)(pruned)

    def decide(pruned: np.ndarray) -> float:
        exact = accuracy_of(worth)(pruned)
        return exact if exact >= threshold else threshold - 1

    found = list(prune(order, SHAPE, accuracy, threshold, prune_step, decide=decide))
    plain = run(search)
    assert states_of(found) == states_of(plain)
    assert [replace(step, pruned=None) for step in found] == [replace(step, pruned=None) for step in plain]
    assert len(asked) == len(found)


@given(searches())
def test_it_never_ends_below_the_threshold_unless_nothing_was_pruned(search) -> None:
    last = run(search)[-1]
    assert last.val_acc >= search[2] or not last.pruned.any()


@given(searches())
def test_every_step_accounts_for_every_head(search) -> None:
    steps = run(search)
    before = np.zeros(SHAPE, dtype=bool)
    for step in steps:
        assert set(step.kept) | set(step.restored) == set(step.tried)
        assert not set(step.kept) & set(step.restored)
        assert not any(before[head] for head in step.tried), "a step tries only heads that still speak"
        after = before.copy()
        for head in step.kept:
            after[head] = True
        assert (after == step.pruned).all(), "restoring never touches an earlier step"
        before = after
    assert len(steps[0].tried) == 0
    assert [step.number for step in steps] == list(range(len(steps)))


@given(searches())
def test_every_layer_keeps_a_head_and_the_accuracies_are_those_of_the_states(search) -> None:
    accuracy = accuracy_of(search[1])
    for step in run(search):
        assert (~step.pruned).any(axis=1).all()
        assert step.val_acc == pytest.approx(accuracy(step.pruned))


def test_a_layers_last_head_is_its_highest_scoring_one() -> None:
    order = [(0, 2), (0, 0), (0, 3), (0, 1)]
    last = list(prune(order, (1, 4), lambda pruned: 1.0, 0.5, 10))[-1]
    assert last.pruned.tolist() == [[True, False, True, True]]


def test_most_important_heads_come_back_first() -> None:
    order = [(0, 0), (0, 1), (0, 2), (0, 3)]
    accuracy = lambda pruned: 0.9 - 0.2 * pruned[0].sum()  # noqa: E731
    steps = list(prune(order, (2, 5), accuracy, 0.6, 4))
    assert steps[1].restored == [(0, 3), (0, 2), (0, 1)]
    assert steps[1].kept == [(0, 0)]
    assert steps[1].tried_val_acc == pytest.approx(0.1)


@pytest.mark.parametrize("order", [[(0, 0), (0, 0)], [(0, 9)], [(-1, 0)]])
def test_a_wrong_order_is_refused(order: list) -> None:
    with pytest.raises(ValueError, match=r"once|outside"):
        list(prune(order, (2, 4), lambda pruned: 1.0, 0.5, 1))
