"""How much of a style a text shows: a classifier trained to distinguish published rewritings from clean rows.

`train(clean, styled)` learns it from rows of both kinds, `rate(texts, check)` is the share of texts
that it classifies as styled.  It sees only words (no case, spacing, punctuation or markup), as it could
otherwise recognise a generator by its tokeniser.  Train it on other source sentences than those whose
rewritings are rated."""

import html
import re
from collections.abc import Sequence

from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline

# `andapos;` and `@-@` are what tokenisers left in the published rows, `-lrb-` in the clean ones.
REMAINS = (
    (re.compile(r"&?\s?(?:and)?(?:amp;\s?)?(?:apos|#0?39)\s?;"), "'"),
    (re.compile(r"&?\s?(?:and)?(?:amp;\s?)?(?:quot|lt|gt|amp|nbsp)\s?;"), " "),
    (re.compile(r"\s?@-@\s?"), "-"),
    (re.compile(r"-?\s?[lr][rsc]b\s?-"), " "),
)
WORD = re.compile(r"[a-z']*[a-z][a-z']*")


def normalise(text: str) -> str:
    """Lower-case words, separated by one blank; clitics are separate words in any spelling."""
    text = html.unescape(text.lower()).replace("’", "'")
    for pattern, plain in REMAINS:
        text = pattern.sub(plain, text)
    text = re.sub(r"\s?(n't|'(?:s|re|ve|ll|d|m))\b", r" \1", text)
    return " ".join(word.strip("'") or word for word in WORD.findall(text))


def train(clean: Sequence[str], styled: Sequence[str]) -> Pipeline:
    """Logistic regression on the TF-IDF of words and word pairs; class 1 is styled."""
    check = make_pipeline(
        TfidfVectorizer(
            preprocessor=normalise, token_pattern=r"\S+", ngram_range=(1, 2), min_df=2, sublinear_tf=True
        ),
        LogisticRegression(C=10.0, max_iter=500),
    )
    return check.fit([*clean, *styled], [0] * len(clean) + [1] * len(styled))


def rate(texts: Sequence[str], check: Pipeline) -> float:
    """The share of `texts` classified as styled; 0 without texts."""
    return float(check.predict(list(texts)).mean()) if texts else 0.0
