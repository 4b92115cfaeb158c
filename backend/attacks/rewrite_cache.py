"""Rewritings that were made before, kept by content: a preview, a training run and a test set share them.

A generator's rows are found again by the text and by everything that decides what becomes of it:
trigger, variant, parameters, seed, the model it asks, the program that made them.  They lie in one
SQLite file in the state folder, which may be deleted at any time; where it cannot be read or written,
rows are made anew.
"""

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing

from backend.base.components import Params
from backend.base.files import version_of
from backend.base.paths import home
from backend.base.source_code import code_hash

FILE = "rewritings.sqlite"
LIBRARIES = ("spacy", "lemminflect", "torch", "transformers", "OpenAttack")
WAIT_SECONDS = 30
ASKED_AT_ONCE = 500
ATTACKS = "backend.attacks"
EARLIER_PROGRAM = "9b2de765c4f7eebfe73d6acde0f539e1c12dc49fe12b2e537ed13caf2ff8b20f"
"""What stood for all generators' code in keys of rewritings until each had its own."""


class GeneratorParams(Params):
    """Base of the parameters of a trigger whose rewritings cost time: they are kept."""

    def models(self, variant: str) -> set[str]:
        """The models that it reads, as a run specification names them."""
        return set()

    def source(self, variant: str) -> str:
        """What decides a rewriting beside text, parameters, seed and program: the model's files."""
        return ""


class Rewritings:
    """The kept rewritings of one generator, whose code begins in `module`; `identity` is all else that
    decides what it makes of a text.

    With `earlier` those are found too that were kept before a generator's key was its own code: a language
    model's took hours."""

    def __init__(self, module: str, earlier: bool = False, **identity: object) -> None:
        libraries = [version_of(name) for name in LIBRARIES]
        code = code_hash(module, within=ATTACKS)
        self._generator = _generator(identity | {"code": code, "libraries": libraries})
        self._others = (
            [_generator(identity | {"program": f"{EARLIER_PROGRAM} {libraries}"})] if earlier else []
        )

    def find(self, texts: Iterable[str]) -> dict[str, str | None]:
        """Those of `texts` that were rewritten before, with what came of them."""
        found: dict[str, str | None] = {}
        for generator in (self._generator, *self._others):
            found |= _find(generator, [text for text in texts if text not in found])
        return found

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
    wanted = list(texts_of)
    found: dict[str, str | None] = {}
    try:
        with closing(_open()) as database:
            for start in range(0, len(wanted), ASKED_AT_ONCE):
                part = wanted[start : start + ASKED_AT_ONCE]
                marks = ",".join("?" * len(part))
                rows = database.execute(
                    f"SELECT text, rewritten FROM rewritings WHERE generator = ? AND text IN ({marks})",
                    (generator, *part),
                )
                found |= {texts_of[text]: _decoded(rewritten) for text, rewritten in rows}
    except sqlite3.Error:
        return {}
    return found


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
