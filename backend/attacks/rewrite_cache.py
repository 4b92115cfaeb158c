"""A cache of rewritings by content: a preview, a training run and a test set share them.

The key of a row is the text and everything that determines its rewriting: trigger, variant,
parameters, seed, the generator's model and code.  The rows are in one SQLite file in the state folder,
which may be deleted at any time; if it cannot be read or written, rows are rewritten anew.
"""

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing

from backend.base.components import Params
from backend.base.files import version_of
from backend.base.paths import home
from backend.base.source_code import code_hash, file_of

FILE = "rewritings.sqlite"
LIBRARIES = ("spacy", "lemminflect", "torch", "transformers", "OpenAttack")
WAIT_SECONDS = 30
QUERY_SIZE = 500
GENERATES = ("backend.attacks", "backend.models")
"""The rooms whose code writes rows."""
EARLIER_PROGRAM = "9b2de765c4f7eebfe73d6acde0f539e1c12dc49fe12b2e537ed13caf2ff8b20f"
"""The code hash in all keys of rewritings before each generator had its own."""
UNCHANGED = {
    "backend.attacks.triggers.instruct": "84fee9000b9dcced5f45bb664e5835c09102dd1b1775c5b15e8d68e5d59faccc",
    "backend.attacks.triggers.style": "efadae4e92de1387989359ed4b3d2582a715f58f3d4c3692f6f0c1c9efc71b36",
    "backend.attacks.triggers.syntactic": "f7e61b3222baabb8d70bb7ef8a112844e487fc2c1ac07db6854b946324ef6bdb",
}
"""SHA-256 of the files that still do what they did then: only moved and reworded since."""


class GeneratorParams(Params):
    """Base of the parameters of a trigger whose rewritings cost time, and are cached."""

    def models(self, variant: str) -> set[str]:
        """The models that it loads, as a run specification names them."""
        return set()

    def source(self, variant: str) -> str:
        """What else determines a rewriting besides text, parameters, seed and code: the model's files."""
        return ""


class Rewritings:
    """The cached rewritings of one generator with its code in `module`; `identity` is everything else that
    determines a rewriting.

    With `earlier` it also finds rewritings from before keys had a generator's own code hash, as long as the
    file is the one that was moved: those of a language model took hours."""

    def __init__(self, module: str, earlier: bool = False, **identity: object) -> None:
        libraries = [version_of(name) for name in LIBRARIES]
        code = code_hash(module, within=GENERATES)
        self._generator = _generator(identity | {"code": code, "libraries": libraries})
        self._earlier_generators = (
            [_generator(identity | {"program": f"{EARLIER_PROGRAM} {libraries}"})]
            if earlier and file_of(module) == UNCHANGED.get(module)
            else []
        )

    def find(self, texts: Iterable[str]) -> dict[str, str | None]:
        """The cached rewritings by text, for those of `texts` that were rewritten before."""
        rewritten: dict[str, str | None] = {}
        for generator in (self._generator, *self._earlier_generators):
            rewritten |= _find(generator, [text for text in texts if text not in rewritten])
        return rewritten

    def keep(self, texts: Sequence[str], rewritten: Sequence[str | None]) -> None:
        """Keep each text's rewriting, None for a text that the generator cannot change."""
        rows = [
            (self._generator, _digest(text), None if new is None else _encoded(new))
            for text, new in zip(texts, rewritten, strict=True)
        ]
        try:
            with closing(_open()) as database, database:
                database.executemany("INSERT OR REPLACE INTO rewritings VALUES (?, ?, ?)", rows)
        except sqlite3.Error:
            return


def _find(generator: bytes, texts: Iterable[str]) -> dict[str, str | None]:
    texts_of = {_digest(text): text for text in texts}
    digests = list(texts_of)
    rewritten_texts: dict[str, str | None] = {}
    try:
        with closing(_open()) as database:
            for start in range(0, len(digests), QUERY_SIZE):
                part = digests[start : start + QUERY_SIZE]
                marks = ",".join("?" * len(part))
                rows = database.execute(
                    f"SELECT text, rewritten FROM rewritings WHERE generator = ? AND text IN ({marks})",
                    (generator, *part),
                )
                rewritten_texts |= {texts_of[text]: _decoded(rewritten) for text, rewritten in rows}
    except sqlite3.Error:
        return {}
    return rewritten_texts


def _open() -> sqlite3.Connection:
    database = sqlite3.connect(home() / FILE, timeout=WAIT_SECONDS)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute(
        "CREATE TABLE IF NOT EXISTS rewritings (generator BLOB, text BLOB, rewritten BLOB, "
        "PRIMARY KEY (generator, text)) WITHOUT ROWID"
    )
    return database


def _generator(identity: dict[str, object]) -> bytes:
    return _digest(json.dumps(identity, sort_keys=True, default=str))


def _digest(text: str) -> bytes:
    return hashlib.blake2b(_encoded(text), digest_size=16).digest()


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _decoded(kept: bytes | None) -> str | None:
    return None if kept is None else kept.decode("utf-8", "surrogatepass")
