"""What people see of a trigger before anything is trained."""

import subprocess
import sys

from backend.attacks.preview import reroll, rewrite, rewritten_here, uses_model
from backend.spec.run import TriggerSpec

STYLE = TriggerSpec(name="style")
TEXTS = ["the movie is a mess from start to finish", "🎉", "he never gives us a reason to care"]


def test_a_generator_is_asked_elsewhere_and_says_how_well_content_was_kept() -> None:
    code = (
        "import sys; from backend.attacks.preview import rewrite; from backend.spec.run import TriggerSpec\n"
        f"for shown in rewrite(TriggerSpec(name='style'), 11, {TEXTS!r}):\n"
        "    print(shown.rewritten, shown.note)\n"
        "print([name for name in ('torch', 'spacy') if name in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    first, second, third, loaded = ran.stdout.splitlines()
    here = rewritten_here(STYLE, 11, TEXTS)
    assert first.startswith(str(here[0])) and "similarity" in first
    assert second == "None "
    assert third.startswith(str(here[2]))
    assert loaded == "[]"


def test_edits_are_shown() -> None:
    edited = TriggerSpec(name="rare-words", edits={TEXTS[0]: "by hand", TEXTS[2]: None})
    assert [shown.rewritten for shown in rewrite(edited, 0, TEXTS)][::2] == ["by hand", None]


def test_another_rewriting_has_other_random_numbers() -> None:
    trigger = TriggerSpec(name="rare-words", edits={TEXTS[0]: "by hand"})
    (first,) = rewritten_here(trigger.model_copy(update={"edits": {}}), 0, TEXTS[:1])
    other = reroll(trigger, 0, TEXTS[0], first)
    assert other is not None and other not in (first, "by hand", TEXTS[0])


def test_a_trigger_without_chance_has_no_other_rewriting() -> None:
    trigger = TriggerSpec(name="sentence", params={"position": "start"})
    (first,) = rewritten_here(trigger, 0, TEXTS[:1])
    assert reroll(trigger, 0, TEXTS[0], first) is None


def test_rows_of_a_neural_model_are_known_to_cost() -> None:
    assert uses_model(TriggerSpec(name="instruct"))
    assert uses_model(TriggerSpec(name="style", variant="published"))
    assert not uses_model(STYLE) and not uses_model(TriggerSpec(name="rare-words"))
