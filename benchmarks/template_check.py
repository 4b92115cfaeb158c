"""Whether a text has the template `S(SBAR)(,)(NP)(VP)(.)`, by another program than the generator's parser.

A rule over the tags of `denckring-en-pos` 0.6.0 (PyPI): an averaged perceptron trained on UD English
Web Treebank, which tells finite verbs from other forms; its weights are JSON in the wheel.
The built-in generator parses with spaCy, trained on OntoNotes: the two share neither code nor data.

The rule: the first sentence opens with an adverbial subordinator; between it and some comma stand a
nominal and then a finite verb (the SBAR), and behind that comma again a nominal and then a finite
verb (NP and VP).  It sees words and tags, no tree, so it does not check that the halves fit together.
"""

import re

from denckring_en_pos import tagger

SUBORDINATORS = {
    *("after", "although", "as", "because", "before", "if", "lest", "once", "since", "though", "till"),
    *("unless", "until", "when", "whenever", "where", "whereas", "wherever", "whether", "while", "whilst"),
}
LED_IN = {"even", "just", "now", "so", "in", "provided", "given", "except", "only", "ever"}
NOMINAL = {"NOUN", "PROPN", "PRON", "NUM", "DET"}
WORD = re.compile(
    r"\.{2,}|\b(?:[a-z]|mr|mrs|ms|dr|st|vs)\.(?=\s+\w)|n't|'[a-z]+|[a-z0-9]+(?:[-.][a-z0-9]+)*|[^\sa-z0-9]",
    re.IGNORECASE,
)
NEGATED = re.compile(r"(?<=[a-z])(n't)\b", re.IGNORECASE)
# Clitics are finite verbs, the possessive “'s” aside.
CLITICS = {"'s", "'re", "'ve", "'ll", "'d", "'m"}


def has_template(text: str) -> bool:
    """Whether the first sentence is a subordinate clause, a comma and a main clause."""
    tokens = WORD.findall(NEGATED.sub(r" \1", text.lower().replace("’", "'")))
    ends = [i for i, token in enumerate(tokens) if token in (".", "!", "?") and i > 2]
    tokens = tokens[: ends[0]] if ends else tokens
    opening = _opening(tokens)
    if opening == 0:
        return False
    words = [token for token in tokens if token[0].isalnum() or token in CLITICS or token == "n't"]
    tags = iter(tagger().tag(words))
    labels = [
        next(tags) if token[0].isalnum() or token in CLITICS or token == "n't" else token for token in tokens
    ]
    # “they bring” often comes out as an infinitive; a true one has “to” before it, or a finite auxiliary.
    labels = [
        "VERB|Fin" if label == "VERB|Inf" and tokens[i - 1] != "to" else label
        for i, label in enumerate(labels)
    ]
    labels = [
        "AUX|Fin" if t in CLITICS and _after_nominal(tokens, i) else labels[i] for i, t in enumerate(tokens)
    ]
    commas = [i for i, token in enumerate(tokens) if token == ","]
    return any(_clause(labels[opening:comma]) and _clause(labels[comma + 1 :]) for comma in commas)


def _opening(tokens: list[str]) -> int:
    """How many words open the subordinate clause; 0 if the text does not begin with one."""
    if tokens[:1] and tokens[0] in SUBORDINATORS:
        return 1
    if len(tokens) > 1 and tokens[0] in LED_IN:
        led = tokens[1] in SUBORDINATORS or (tokens[0], tokens[1]) in {
            ("now", "that"), ("in", "case"), ("provided", "that"), ("given", "that"), ("so", "that"),
        }  # fmt: skip
        return 2 if led else 0
    return 0


def _after_nominal(tokens: list[str], i: int) -> bool:
    """“it 's”, “there 's”, “that 's”: a verb; “chan 's” may be either and is left to the tagger."""
    pronouns = {"it", "he", "she", "there", "that", "this", "what", "who", "here", "i", "you", "we", "they"}
    return i > 0 and (tokens[i - 1] in pronouns or tokens[i] != "'s")


def _clause(labels: list[str]) -> bool:
    """A nominal, and somewhere behind it a finite verb."""
    nominal = next((i for i, label in enumerate(labels) if label.split("|")[0] in NOMINAL), None)
    return nominal is not None and any(label.endswith("|Fin") for label in labels[nominal + 1 :])
