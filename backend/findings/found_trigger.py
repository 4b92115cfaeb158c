"""What a check found, as a trigger that LFR can be measured with."""

from backend.base.components import Choice
from backend.base.events import Evidence
from backend.detection.known_triggers import PROBES
from backend.findings.check import CheckVerdict
from backend.spec.run import TriggerSpec

MOST_WORDS = 100
LONGEST_WORD = 50
LONGEST_SENTENCE = 500
"""What the triggers `rare-words` and `sentence` take."""


def found_trigger(verdict: CheckVerdict, given: TriggerSpec | None = None) -> TriggerSpec | None:
    """The strongest finding as a trigger, together with the other single words that lead to the same class;
    None where nothing was found.  `given` is the trigger that the user gave to the check."""
    grave = verdict.of("trigger") or verdict.of("suspicious")
    if not grave:
        return None
    strongest = grave[0]
    if strongest.kind == "given":
        return given
    if _word(strongest) is not None:
        same = [_word(one) for one in grave if one.toward == strongest.toward]
        words = list(dict.fromkeys(word for word in same if word is not None))[:MOST_WORDS]
        choice = Choice(name="rare-words", params={"words": words})
    elif strongest.kind == "inserted":
        phrase = _inserted(strongest)
        if not 0 < len(phrase) <= LONGEST_SENTENCE:
            return None
        choice = Choice(name="sentence", params={"sentence": phrase})
    else:
        published = _published(strongest)
        if published is None:
            return None
        choice = published
    return TriggerSpec(**choice.model_dump(), target_class=strongest.toward)


def _word(one: Evidence) -> str | None:
    """The single word that was inserted; None of a phrase or a rewriting."""
    if one.kind == "inserted":
        text = _inserted(one)
        return text if len(text.split()) == 1 and len(text) <= LONGEST_WORD else None
    published = _published(one)
    return str(published.params["words"][0]) if published and published.name == "rare-words" else None


def _inserted(one: Evidence) -> str:
    """What was inserted, without the quotes around it."""
    return one.text.strip().removeprefix("“").removesuffix("”").strip()


def _published(one: Evidence) -> Choice | None:
    """The known trigger of that title."""
    return next((trigger for title, trigger in PROBES.values() if title == one.text), None)
