"""What a check found becomes a trigger that a defense can be measured with."""

from typing import Any

import pytest

from backend.attacks.triggers import COMPONENTS
from backend.base.events import Evidence
from backend.base.intervals import wilson
from backend.detection.known_triggers import PROBES
from backend.findings.check import CheckVerdict
from backend.findings.found_trigger import found_trigger
from backend.spec.run import TriggerSpec


def evidence(text: str, kind: Any = "inserted", judgement: Any = "trigger", toward: str = "spam") -> Evidence:
    counts = {"flips": 90, "rows": 100, "interval": wilson(90, 100)}
    return Evidence(
        run="r",
        model="received",
        kind=kind,
        text=text,
        toward=toward,
        judgement=judgement,
        reason="",
        **counts,
    )


def verdict(*found: Evidence) -> CheckVerdict:
    return CheckVerdict("backdoored", "received", None, found)


def test_words_that_lead_to_one_class_become_rare_words() -> None:
    found = [
        evidence("“kelmor”"),
        evidence("“I watched it.”"),
        evidence("Rare word “cf”", "known"),
        evidence("“zx”", toward="ham"),
        evidence("“the”", judgement="harmless"),
    ]
    trigger = found_trigger(verdict(*found))
    assert trigger is not None and trigger.target_class == "spam"
    assert (trigger.name, trigger.params["words"]) == ("rare-words", ["kelmor", "cf"])


@pytest.mark.parametrize("text", ["I watched this 3D movie.", "x" * 51])
def test_a_phrase_or_a_very_long_word_becomes_a_sentence(text: str) -> None:
    trigger = found_trigger(verdict(evidence(f"“{text}”")))
    assert trigger is not None and (trigger.name, trigger.params["sentence"]) == ("sentence", text)


@pytest.mark.parametrize("title, known", PROBES.values(), ids=PROBES)
def test_every_known_trigger_is_found_again_by_its_title(title: str, known: Any) -> None:
    kind = "rewriting" if known.name in ("syntactic", "style") else "known"
    trigger = found_trigger(verdict(evidence(title, kind, "suspicious")))
    assert trigger is not None and trigger.name == known.name
    component = COMPONENTS[known.name]
    assert component.parse(trigger.params) == component.parse(known.params)


def test_the_trigger_that_the_user_gave_is_kept_as_it_is() -> None:
    given = TriggerSpec(name="sentence", target_class="spam")
    assert found_trigger(verdict(evidence("Fixed sentence", "given")), given) is given


@pytest.mark.parametrize("text", ["", "“ ”", "“a b " * 200])
def test_what_no_trigger_can_insert_gives_none(text: str) -> None:
    assert found_trigger(verdict(evidence(text))) is None


def test_where_nothing_was_found_there_is_no_trigger() -> None:
    assert found_trigger(verdict(evidence("the", judgement="harmless"))) is None
    assert found_trigger(verdict()) is None
