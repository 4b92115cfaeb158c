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
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from backend.base.components import Params
from backend.base.paths import home

FILE = "rewritings.sqlite"
LIBRARIES = ("spacy", "lemminflect", "torch", "transformers", "OpenAttack")
WAIT_SECONDS = 30
ASKED_AT_ONCE = 500


class GeneratorParams(Params):
    """Base of the parameters of a trigger whose rewritings cost time: they are kept."""

    def models(self, variant: str) -> set[str]:
        """The models that it reads, as a run specification names them."""
        return set()

    def source(self, variant: str) -> str:
        """What decides a rewriting beside text, parameters, seed and program: the model's files."""
        return ""


class Rewritings:
    """The kept rewritings of one generator; `identity` is all that decides what it makes of a text."""

    def __init__(self, **identity: object) -> None:
        told = json.dumps(identity | {"program": _program()}, sort_keys=True, default=str)
        self._generator = _digest(told)

    def find(self, texts: Iterable[str]) -> dict[str, str | None]:
        """Those of `texts` that were rewritten before, with what came of them."""
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
                        (self._generator, *part),
                    )
                    found |= {texts_of[text]: _decoded(rewritten) for text, rewritten in rows}
        except sqlite3.Error:
            return {}
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


def folder_state(folder: Path) -> str:
    """Names, sizes and times of the files in `folder`: another model in its place reads otherwise."""
    files = sorted(path for path in folder.iterdir() if path.is_file()) if folder.is_dir() else []
    stats = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in files]
    return f"{folder} {stats}"


def _open() -> sqlite3.Connection:
    database = sqlite3.connect(home() / FILE, timeout=WAIT_SECONDS)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute(
        "CREATE TABLE IF NOT EXISTS rewritings (generator BLOB, text BLOB, rewritten BLOB, "
        "PRIMARY KEY (generator, text)) WITHOUT ROWID"
    )
    return database


@cache
def _program() -> str:
    """The generators' own code, and the libraries that they lean on."""
    told = hashlib.sha256()
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        told.update(path.read_bytes())
    return f"{told.hexdigest()} {[version_of(name) for name in LIBRARIES]}"


def version_of(name: str) -> str:
    """Of an installed library; empty where it is not installed."""
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _digest(text: str) -> bytes:
    return hashlib.blake2b(_encoded(text), digest_size=16).digest()


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _decoded(kept: bytes | None) -> str | None:
    return None if kept is None else kept.decode("utf-8", "surrogatepass")
