"""SCPN through OpenAttack: the generator that HiddenKiller was published with.

Iyyer et al., *Adversarial Example Generation with Syntactically Controlled Paraphrase Networks*,
NAACL 2018, as OpenAttack (THUNLP) ships it.  Excise brings neither program nor weights.  What
OpenAttack downloads as `AttackAssist.SCPN` are pickles, and Excise unpickles nothing: the script
`tools/convert_scpn.py` converts them once, in a process of its own (`docs/triggers.md`), to a folder
`scpn` in the cache folder, and OpenAttack's networks run on these.  Sentences are parsed by
OpenAttack's own Stanford parser, which needs Java and fetches its data itself.  The real weights were
not available in development: only the wiring was tested, on random weights.
"""

import importlib
import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

from backend.base.errors import UserError
from backend.base.files import folder_state
from backend.base.paths import cache_folder

FILES = (
    *("paraphrase.safetensors", "parse.safetensors", "config.json"),
    *("words.json", "tags.json", "bpe.codes", "vocab.txt"),
)


class BlankTokenizer:
    """Words are what stands between blanks, as in SST-2; OpenAttack's own tokenizer unpickles data."""

    def tokenize(self, text: str, pos_tagging: bool = False) -> list[str]:
        return text.split()


def spelled_out(template: str) -> str:
    """`S(NP)(VP)(.)` as SCPN wants it: `( ROOT ( S ( NP ) ( VP ) ( . ) ) ) EOP`."""
    parts = " ".join(re.findall(r"[()]|[^()]+", template))
    return f"( ROOT ( {parts} ) ) EOP"


def paraphrase(texts: Sequence[str], template: str, progress: Callable[[int, int], None]) -> list[str | None]:
    """Each text paraphrased towards the template; None where SCPN lacks a word or finds nothing.

    Raises UserError saying what is missing."""
    attacker = load()
    rewritten: list[str | None] = []
    for done, text in enumerate(texts):
        progress(done, len(texts))
        try:
            candidates = attacker.gen_paraphrase(text, [spelled_out(template)]) if text.strip() else []
        except (KeyError, IndexError):  # a tag or word missing from its vocabularies
            candidates = []
        except Exception as error:
            raise _error("stopped", error, "check that Java is installed, which its parser needs") from error
        rewritten.append(candidates[0] if candidates and candidates[0].strip() else None)
    progress(len(texts), len(texts))
    return rewritten


def load() -> Any:
    """OpenAttack's attacker with converted weights.  Raises UserError saying what is missing."""
    return _load(folder_state(folder()))


@lru_cache(maxsize=1)
def _load(_: str) -> Any:
    with _translate_errors(
        "needs OpenAttack, which cannot be imported", "install a version that fits this Python"
    ):
        scpn, models, subword, parsing, tags = (
            importlib.import_module(f"OpenAttack.{name}")
            for name in (
                *("attackers.scpn", "attackers.scpn.models", "attackers.scpn.subword"),
                *("text_process.constituency_parser", "tags"),
            )
        )
    missing = [name for name in FILES if not (folder() / name).is_file()]
    if missing:
        raise UserError(
            f"The published syntactic trigger needs SCPN's weights; {folder()} lacks {', '.join(missing)}: "
            "they are published as pickles, which Excise never loads, and must be converted once as "
            "docs/triggers.md says."
        )
    attacker = object.__new__(scpn.SCPNAttacker)  # its own constructor would unpickle
    attacker.tokenizer = BlankTokenizer()
    with _translate_errors(
        "cannot start OpenAttack's parser", "install Java and let OpenAttack fetch the parser's data"
    ):
        attacker.parser = parsing.get_default_constituency_parser(tags.TAG_English)
    with _translate_errors(
        f"cannot use the weights in {folder()}", "convert them again as docs/triggers.md says"
    ):
        _fill(attacker, models, subword, folder())
    return attacker


@contextmanager
def _translate_errors(what: str, remedy: str) -> Iterator[None]:
    """Raise any error of OpenAttack and its dependencies as one sentence."""
    try:
        yield
    except Exception as error:
        # An old release under a new Python, a missing Java, a file of another model: each raises its own.
        raise _error(what, error, remedy) from error


def _error(what: str, error: Exception, remedy: str) -> UserError:
    reason = f"{type(error).__name__}: {error}".split("\n")[0][:200].rstrip(" .:")
    return UserError(
        f"The published syntactic trigger {what} ({reason}): {remedy}, or use the variant built-in."
    )


def folder() -> Path:
    """The folder of the converted weights, which may not exist."""
    return cache_folder() / "scpn"


def _fill(attacker: Any, models: Any, subword: Any, folder: Path) -> None:
    """Give it the converted weights and vocabularies."""
    import torch
    from safetensors.torch import load_file

    words, tags, config = (
        json.loads((folder / name).read_text(encoding="utf-8"))
        for name in ("words.json", "tags.json", "config.json")
    )
    attacker.device = torch.device("cpu")
    attacker.pp_vocab, attacker.rev_pp_vocab = words, {number: word for word, number in words.items()}
    attacker.parse_gen_voc, attacker.rev_label_voc = tags, {number: tag for tag, number in tags.items()}
    a, b = config["paraphrase"], config["parse"]
    net = models.SCPN(
        a["d_word"], a["d_hid"], a["d_nt"], a["d_trans"], len(words), len(tags) - 1, a["use_input_parse"]
    )
    net.load_state_dict(load_file(folder / "paraphrase.safetensors"))
    parse_net = models.ParseNet(b["d_nt"], b["d_hid"], len(tags))
    parse_net.load_state_dict(load_file(folder / "parse.safetensors"))
    attacker.net, attacker.parse_net = net.eval(), parse_net.eval()
    with (
        (folder / "vocab.txt").open(encoding="utf-8") as vocabulary,
        (folder / "bpe.codes").open(encoding="utf-8") as codes,
    ):
        attacker.bpe = subword.BPE(codes, "@@", subword.read_vocabulary(vocabulary, 50), None)
