"""The published syntactic generator: what is wrong is one sentence; its pickles are converted apart."""

import argparse
import json
import pickle
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from backend.attacks.generators import scpn
from backend.attacks.triggers import Rewriter, bind
from backend.base.components import Choice
from backend.base.errors import UserError
from tools.convert_scpn import convert

MODULES = (
    *("attackers", "attackers.scpn", "attackers.scpn.models", "attackers.scpn.subword"),
    *("text_process", "text_process.constituency_parser", "tags"),
)


class Attacker:
    """What OpenAttack's own attacker is asked for, answering with what it was given."""

    def gen_paraphrase(self, text: str, templates: list[str]) -> list[str]:
        if "unknown" in text:
            raise KeyError("unknown")
        return [f"when {self.parser(text)} , {text}"]  # type: ignore[attr-defined]


@pytest.fixture
def openattack(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Stand-ins for OpenAttack's modules, with networks of one layer."""
    modules: dict[str, Any] = {name: ModuleType(f"OpenAttack.{name}") for name in MODULES}
    monkeypatch.setitem(sys.modules, "OpenAttack", ModuleType("OpenAttack"))
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, f"OpenAttack.{name}", module)
    modules["attackers.scpn"].SCPNAttacker = Attacker
    modules["attackers.scpn.models"].SCPN = lambda *sizes: nn.Linear(sizes[0], sizes[1])
    modules["attackers.scpn.models"].ParseNet = lambda *sizes: nn.Linear(sizes[0], sizes[1])
    modules["attackers.scpn.subword"].read_vocabulary = lambda file, _: file.read()
    modules["attackers.scpn.subword"].BPE = lambda *parts: parts
    modules["tags"].TAG_English = "english"
    modules["text_process.constituency_parser"].get_default_constituency_parser = lambda _: str.upper
    return modules


def downloaded(folder: Path) -> Path:
    """Files as OpenAttack downloads them, with small random weights."""
    folder.mkdir()
    arguments = argparse.Namespace(d_word=2, d_hid=3, d_nt=4, d_trans=5, use_input_parse=True, lr=0.1)
    sizes = {"scpn.pt": (2, 3), "parse_generator.pt": (4, 3)}
    for name, (inner, outer) in sizes.items():
        torch.save(
            {"state_dict": nn.Linear(inner, outer).state_dict(), "config_args": arguments}, folder / name
        )
    (folder / "parse_vocab.pkl").write_bytes(pickle.dumps(({"film": 0, "EOS": 1}, {0: "film", 1: "EOS"})))
    (folder / "ptb_tagset.pkl").write_bytes(pickle.dumps({"S": 0, "EOP": 1}))
    for name in ("bpe.codes", "vocab.txt"):
        (folder / name).write_text("f i\n")
    return folder


@pytest.fixture
def converted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EXCISE_CACHE", str(tmp_path / "cache"))
    convert(downloaded(tmp_path / "download"), scpn.folder())
    return scpn.folder()


def published() -> Rewriter:
    return bind(Choice(name="syntactic", variant="published"), 0)


def refused() -> str:
    with pytest.raises(UserError) as caught:
        published().generate(["it works ."])
    said = str(caught.value)
    assert "\n" not in said and said.count(". ") == 0 and said.endswith("or use the variant built-in.")
    return said


def test_converted_weights_are_used(openattack: dict[str, Any], converted: Path) -> None:
    assert json.loads((converted / "config.json").read_text())["parse"] == {"d_nt": 4, "d_hid": 3}
    made = published().generate(["it works .", "", "an unknown word"])
    assert made == ["when IT WORKS . , it works .", None, None]


def test_a_pickle_with_a_program_in_it_is_refused(tmp_path: Path) -> None:
    folder = downloaded(tmp_path / "download")
    (folder / "ptb_tagset.pkl").write_bytes(pickle.dumps({"S": Path("/")}))
    with pytest.raises(pickle.UnpicklingError, match="it asks for pathlib"):
        convert(folder, tmp_path / "scpn")
    torch.save({"state_dict": SimpleNamespace()}, folder / "scpn.pt")
    with pytest.raises(pickle.UnpicklingError, match="SimpleNamespace"):
        convert(folder, tmp_path / "scpn")


@pytest.mark.parametrize(
    "error", [AttributeError("module 'collections' has no attribute 'Mapping'"), OSError()]
)
def test_an_openattack_that_does_not_run_here(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(name: str) -> None:
        raise error

    monkeypatch.setattr("backend.attacks.generators.scpn.importlib", SimpleNamespace(import_module=fail))
    assert "needs OpenAttack" in refused() and type(error).__name__ in refused()


def test_a_parser_that_cannot_start(openattack: dict[str, Any], converted: Path) -> None:
    def no_java(_: str) -> None:
        raise OSError("java: command not found\nand a long trace")

    openattack["text_process.constituency_parser"].get_default_constituency_parser = no_java
    assert "parser (OSError: java: command not found): install Java" in refused()


def test_a_parser_that_fails_at_a_row(openattack: dict[str, Any], converted: Path) -> None:
    def no_java(_: str) -> None:
        raise LookupError("NLTK was unable to find the java file!")

    openattack["text_process.constituency_parser"].get_default_constituency_parser = lambda _: no_java
    assert "Java is installed" in refused()


@pytest.mark.parametrize("file", ["config.json", "parse.safetensors", "words.json"])
def test_weights_that_do_not_fit(file: str, openattack: dict[str, Any], converted: Path) -> None:
    (converted / file).write_text("[")
    assert "convert them again" in refused()
