"""What a trigger changed in a text, word by word."""

import html
from difflib import SequenceMatcher

LONGEST = 600


def difference(clean: str, triggered: str | None, instead: str) -> tuple[str, str]:
    """Both texts as HTML, escaped: words that go are struck out in the one, words that come marked in
    the other; `instead` in place of a text that is None.  A row that came with its trigger has an empty clean
    text."""
    if not clean and triggered is not None:
        return "<em>no clean row</em>", html.escape(_short(triggered))
    if triggered is None:
        return html.escape(_short(clean)), f"<em>{html.escape(instead)}</em>"
    old, new = _short(clean).split(), _short(triggered).split()
    before, after = [], []
    for what, a, b, start, end in SequenceMatcher(a=old, b=new, autojunk=False).get_opcodes():
        gone, come = html.escape(" ".join(old[a:b])), html.escape(" ".join(new[start:end]))
        if gone:
            before.append(gone if what == "equal" else f"<s>{gone}</s>")
        if come:
            after.append(come if what == "equal" else f"<mark>{come}</mark>")
    return " ".join(before), " ".join(after)


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else text[:LONGEST] + "…"
