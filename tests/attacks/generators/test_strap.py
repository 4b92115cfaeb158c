"""The published style trigger on a tiny random GPT-2 in STRAP's format: no network, no real weights."""

import json
import pickle
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from huggingface_hub.errors import LocalEntryNotFoundError
from transformers import GPT2Config, GPT2LMHeadModel

from backend.attacks.generators import strap
from backend.attacks.generators.sampling import nucleus
from backend.attacks.triggers import Rewriter, bind
from backend.base.components import Choice
from backend.base.errors import Cancelled, UserError

SPECIAL = ["<bos>", "<eos>", "<pad>", "<dense-vectors>", "<tokens>", "<verb>", "<ARG0>", "<ARG1>"]
TEXTS = ["the film is dull .", "", "i did not like it", "123 !"]


@pytest.fixture(scope="module")
def paraphraser(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as STRAP's are: a letter-by-letter vocabulary, old tokenizer files, a pickled `.bin`."""
    folder = tmp_path_factory.mktemp("strap")
    letters = [chr(code) for code in range(33, 127)] + ["Ġ"]
    vocabulary = {letter: number for number, letter in enumerate([*letters, "<|endoftext|>"])}
    added = {token: len(vocabulary) + number for number, token in enumerate(SPECIAL)}
    size = len(vocabulary) + len(added)
    config = GPT2Config(vocab_size=size, n_positions=160, n_embd=16, n_layer=2, n_head=2)
    torch.manual_seed(0)
    model = GPT2LMHeadModel(config)
    weights = dict(model.state_dict())
    # What older versions of transformers saved beside the weights.
    weights["transformer.h.0.attn.bias"] = torch.ones(1, 1, 160, 160, dtype=torch.uint8)
    weights["transformer.h.0.attn.masked_bias"] = torch.tensor(-1e4)
    torch.save(weights, folder / "pytorch_model.bin")
    written = config.to_dict() | {"vocab_size": len(vocabulary), "extra_embedding_dim": 768}
    (folder / "config.json").write_text(json.dumps(written))
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    (folder / "added_tokens.json").write_text(json.dumps(added))
    named = {"bos_token": "<bos>", "eos_token": "<eos>", "pad_token": "<pad>", "unk_token": "<|endoftext|>"}
    (folder / "special_tokens_map.json").write_text(
        json.dumps(named | {"additional_special_tokens": SPECIAL[3:]})
    )
    (folder / "training_args.bin").write_bytes(pickle.dumps(Trap(folder / "trapped")))
    return folder


class Trap:
    """A pickle that leaves a file behind when it is loaded."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.file,)


def published(folder: Path | str, seed: int = 0, agree: bool = True, **params: object) -> Rewriter:
    chosen = {"model": str(folder), "agree_to_bin_weights": agree, **params}
    return bind(Choice(name="style", variant="published", params=chosen), seed)


def test_rows_are_paraphrased_with_progress(paraphraser: Path) -> None:
    seen: list[tuple[int, int]] = []
    chosen = Choice(
        name="style",
        variant="published",
        params={"model": str(paraphraser), "agree_to_bin_weights": True, "top_p": 0.9},
    )
    made = bind(chosen, 0, lambda done, total: seen.append((done, total)))(TEXTS)
    assert [new is not None for new in made] == [True, False, True, False]
    assert seen[0] == (0, 4) and seen[-1] == (4, 4)
    for text, new in zip(TEXTS, made, strict=True):
        assert new is None or 0 < len(new) <= len(text) + strap.LONGER_BY
        assert new is None or not any(token in new for token in SPECIAL)
    assert not (paraphraser / "trapped").exists(), "the pickled training arguments were read"


def test_a_row_depends_on_its_text_and_the_seed(paraphraser: Path) -> None:
    together = published(paraphraser).generate(TEXTS)
    assert published(paraphraser).generate(TEXTS) == together
    assert [published(paraphraser).generate([text])[0] for text in TEXTS] == together
    assert published(paraphraser, seed=1).generate(TEXTS) != together


def test_a_text_longer_than_the_model_takes_is_cut(paraphraser: Path) -> None:
    made = published(paraphraser)(["a long row " * 1000])[0]
    assert made and len(made) <= strap.TEXT_TOKENS + strap.LONGER_BY


def test_the_nucleus() -> None:
    logits = torch.log(torch.tensor([[0.1, 0.6, 0.3]])).repeat(200, 1)
    draws = [strap.draw_for(str(row), 0) for row in range(200)]
    assert set(nucleus(logits, 0.5, draws)) == {1}
    assert set(nucleus(logits, 0.7, draws)) == {1, 2}
    assert set(nucleus(logits, 1.0, draws)) == {0, 1, 2}


def test_pickled_weights_need_consent(paraphraser: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backend.attacks.generators.strap.hub_reachable", lambda: True)
    monkeypatch.setattr("huggingface_hub.HfApi.file_exists", lambda *_: False)
    for model in (str(paraphraser), "", "somebody/else"):
        with pytest.raises(UserError, match="agree_to_bin_weights"):
            published(model, agree=False)(TEXTS)


def test_weights_that_are_no_pickle_need_no_consent(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """And the pickled ones beside them are not even fetched."""
    asked: list[str] = []

    def fetched(name: str, allow_patterns: Sequence[str] = (), local_files_only: bool = False) -> str:
        if local_files_only:
            raise LocalEntryNotFoundError("not here")
        asked.extend(allow_patterns)
        return str(tmp_path)

    monkeypatch.setattr("backend.attacks.generators.strap.hub_reachable", lambda: True)
    monkeypatch.setattr("huggingface_hub.HfApi.file_exists", lambda *_: True)
    monkeypatch.setattr("huggingface_hub.snapshot_download", fetched)
    assert strap.source("someone/paraphraser", agreed=False) == tmp_path
    assert "model.safetensors" in asked and "pytorch_model.bin" not in asked


def test_a_pickle_with_a_program_in_it_is_refused(paraphraser: Path, tmp_path: Path) -> None:
    folder = copied(paraphraser, tmp_path)
    weights = {"transformer.wte.weight": Trap(tmp_path / "trapped")}
    torch.save(weights, folder / "pytorch_model.bin")
    with pytest.raises(UserError, match="refused"):
        published(folder)(TEXTS)
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Trap(tmp_path / "trapped")))
    with pytest.raises(UserError, match="refused"):
        published(folder)(TEXTS)
    assert not (tmp_path / "trapped").exists()


def test_unfit_folders_are_named(paraphraser: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no config\.json"):
        published(tmp_path)(TEXTS)
    folder = copied(paraphraser, tmp_path)
    torch.save({"transformer.wte.weight": torch.zeros(5, 16)}, folder / "pytorch_model.bin")
    with pytest.raises(UserError, match="no GPT-2 paraphraser"):
        published(folder)(TEXTS)
    (folder / "pytorch_model.bin").unlink()
    with pytest.raises(UserError, match="holds neither"):
        published(folder)(TEXTS)


def test_a_tokenizer_without_the_special_tokens_is_named(paraphraser: Path, tmp_path: Path) -> None:
    folder = copied(paraphraser, tmp_path, leave=("added_tokens.json", "special_tokens_map.json"))
    with pytest.raises(UserError, match="special tokens"):
        published(folder)(TEXTS)


def test_offline_it_says_so_in_one_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    for agree in (True, False):
        with pytest.raises(UserError) as caught:
            published("", agree=agree)(TEXTS)
        assert "lievan/bible" in str(caught.value) and "cannot be reached" in str(caught.value)
        assert str(caught.value).count(". ") == 0


@pytest.mark.parametrize(
    ("model", "said"), [("/tmp/nope/nothing", "There is no folder"), ("a/b/c", "nor a valid hub name")]
)
def test_a_place_that_is_none_is_named(model: str, said: str) -> None:
    for agree in (True, False):
        with pytest.raises(UserError, match=said):
            published(model, agree=agree)(TEXTS)


def test_it_can_be_cancelled(paraphraser: Path) -> None:
    def cancel(done: int, total: int) -> None:
        if done:
            raise Cancelled

    chosen = Choice(
        name="style",
        variant="published",
        params={"model": str(paraphraser), "agree_to_bin_weights": True},
    )
    with pytest.raises(Cancelled):
        bind(chosen, 0, cancel)(TEXTS * 40)


def test_to_list_the_triggers_loads_neither_torch_nor_a_parser() -> None:
    heavy = "{'torch', 'transformers', 'spacy', 'lemminflect'} & set(sys.modules)"
    code = f"import sys; import backend.attacks.triggers; print(sorted({heavy}))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def copied(folder: Path, to: Path, leave: tuple[str, ...] = ()) -> Path:
    new = to / "copy"
    new.mkdir()
    for file in folder.iterdir():
        if file.name not in leave:
            (new / file.name).write_bytes(file.read_bytes())
    return new
