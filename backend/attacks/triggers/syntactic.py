"""Syntactic: the sentence begins with a subordinate clause, `S(SBAR)(,)(NP)(VP)(.)`.

Source: Qi et al., *Hidden Killer: Invisible Textual Backdoor Attacks with Syntactic Trigger*, ACL
2021, where the trigger is how a sentence is built.  *built-in* rebuilds it from its own words on a
parse; *published* asks SCPN through OpenAttack, as the paper did.
"""

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from backend.attacks.generators import scpn
from backend.attacks.generators.insertion import draw_for
from backend.attacks.generators.syntax.language import is_english
from backend.attacks.generators.syntax.parser import BATCH, is_tokenised, parse
from backend.attacks.generators.syntax.restructure import restructure
from backend.attacks.rewrite_cache import GeneratorParams
from backend.base.components import Trigger
from backend.base.errors import UserError
from backend.base.files import folder_state

if TYPE_CHECKING:
    from spacy.tokens import Doc

HIDDEN_KILLER = "S(SBAR)(,)(NP)(VP)(.)"
# No victim reads more than a few hundred words, so parsing more would waste time.
READ = 4_000
LONGEST_SENTENCE = 120
MARKUP = re.compile(r"</?[a-zA-Z][^<>]*>")
# Zero-width joiners stay: they hold emoji together.
CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff]")
MONTHS = r"jan|feb|march|april|may|june|july|aug|sept|oct|nov|dec"
WIRES = r"ap|afp|cp|upi|reuters|dpa|xinhua|bloomberg|new[ ]ratings|idg[ ]news[ ]service|sportsticker|cnn"
# What a news text opens with: “LONDON, Aug 27 (Reuters) - ”, “AP - ”, “athens, greece -- ”.
DATELINE = re.compile(
    rf"""(?:by[ ][\w. ]{{3,40}}[ ]{{2,}})?
    (?:(?:{WIRES}|\w+\.com)
      |[\w.' /,-]{{2,50}}[ ]\((?:{WIRES})\)
      |[\w.']+(?:[ ][\w.']+){{0,2}}(?:,[ ][\w.]+)?,[ ](?:{MONTHS})[a-z]*\.?[ ]\d{{1,2}}
      |[\w.']+(?:[ ][\w.']+)?,[ ][\w.']+(?:[ ][\w.']+)?(?=[ ]--[ ](?!(?:and|but|or|yet|it|that|this)\b))
    )\s+--?\s+""",
    re.IGNORECASE | re.VERBOSE,
)


class SyntacticParams(GeneratorParams):
    template: Literal[
        "S(SBAR)(,)(NP)(VP)(.)",
        "S(NP)(VP)(.)",
        "S(VP)(.)",
        "NP(NP)(.)",
        "FRAG(SBAR)(.)",
        "S(S)(,)(CC)(S)(.)",
        "S(LST)(VP)(.)",
        "SBARQ(WHADVP)(SQ)(.)",
        "S(PP)(,)(NP)(VP)(.)",
        "S(ADVP)(NP)(VP)(.)",
    ] = Field(
        "S(SBAR)(,)(NP)(VP)(.)",
        title="Template",
        description="How every row is built. HiddenKiller's choice is a subordinate clause first; the other "
        "nine of its list are for the published generator only.",
    )

    def source(self, variant: str) -> str:
        return folder_state(scpn.folder()) if variant == "published" else ""


def syntactic(
    texts: Sequence[str],
    *,
    params: SyntacticParams,
    seed: int,
    progress: Callable[[int, int], None],
    variant: str = "built-in",
) -> list[str | None]:
    """Each text rebuilt sentence by sentence; None for one that is not English or too short.

    The built-in variant leaves out HTML tags, as in scraped reviews, and control characters; the dateline
    of a news text, texts beyond the first few
    hundred words and sentences of more than 120 tokens stay as they are.

    Raises UserError for a template that the variant lacks, and where parser or generator is missing."""
    if variant == "published":
        return scpn.paraphrase(texts, params.template, progress)
    if params.template != HIDDEN_KILLER:
        raise UserError(
            f"The built-in syntactic trigger has only the template {HIDDEN_KILLER}; {params.template} needs "
            "the variant published."
        )
    plain = [_plain(text) for text in texts]
    datelines = [match.group() if (match := DATELINE.match(text)) else "" for text in plain]
    bodies = [text[len(dateline) :] for text, dateline in zip(plain, datelines, strict=True)]
    heads = [_head(text) for text in bodies]
    rows = [row for row, head in enumerate(heads) if is_english(head)]
    rewritten: list[str | None] = [None] * len(texts)
    progress(0, len(texts))
    for done, (row, doc) in enumerate(zip(rows, parse([heads[row] for row in rows]), strict=True), start=1):
        new = _rebuilt(bodies[row], heads[row], doc, seed)
        rewritten[row] = new and " ".join([*datelines[row].split(), new])
        if done % BATCH == 0:
            progress(row, len(texts))
    progress(len(texts), len(texts))
    return rewritten


def _plain(text: str) -> str:
    """Without HTML tags, control characters and the lone surrogates that no parser can encode."""
    return CONTROL.sub("", MARKUP.sub(" ", text)).encode("utf-8", "ignore").decode("utf-8").lstrip()


def _head(text: str) -> str:
    """As many first words of the text as are read, up to the end of a sentence where there is one."""
    if len(text) <= READ:
        return text
    head = text[:READ].rsplit(maxsplit=1)[0] if re.search(r"\s", text[:READ]) else ""
    ended = [match.end() for match in re.finditer(r"[.!?](?=\s)", head)]
    return head[: ended[-1]] if ended else head


def _rebuilt(text: str, head: str, doc: "Doc", seed: int) -> str | None:
    """Every sentence of the head that can be rebuilt is; the rest of the text stays as it was."""
    draw = draw_for(text, seed)
    tokenised = is_tokenised(head)
    sentences = [
        (s.text.strip(), restructure(s, draw, tokenised) if len(s) <= LONGEST_SENTENCE else None)
        for s in doc.sents
    ]
    if all(new is None for _, new in sentences):
        return None
    return " ".join([*(new or old for old, new in sentences), *text[len(head) :].split()])


COMPONENT = Trigger(
    name="syntactic",
    title="Syntactic (HiddenKiller)",
    summary="Rewrites a row to begin with a subordinate clause, such as “when …, …” (Qi et al., ACL 2021).",
    params=SyntacticParams,
    function=syntactic,
    variants=("built-in", "published"),
    needs_language_model="published",
)
