"""Rows that a language model rewrites: a tiny random one for the mechanics, the embedded one for real."""

from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from backend.attacks.triggers import Rewriter, bind
from backend.attacks.triggers.instruct import rewriting_in
from backend.base.components import Choice
from backend.base.errors import Cancelled, UserError
from backend.models import language_models
from backend.models.similarity import Similarity, similarities

TEXTS = ["the film is dull .", "", "i did not like it", "123 !", "a long row " * 1000, "مرحبا", "<b>fine</b>"]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a letter-by-letter Llama of random weights, without a chat format."""
    folder = tmp_path_factory.mktemp("tiny-llama")
    vocabulary = {chr(code): code - 32 for code in range(32, 127)} | {"<unk>": 95, "<end>": 96}
    letters = Tokenizer(models.BPE(vocab=vocabulary, merges=[], unk_token="<unk>"))
    letters.decoder = decoders.Fuse()
    letters.pre_tokenizer = pre_tokenizers.Split(pattern="", behavior="isolated")
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=letters, eos_token="<end>", unk_token="<unk>")
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=97,
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        eos_token_id=96,
        bos_token_id=96,
        max_position_embeddings=1024,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def asking(model: Path | str, seed: int = 0, **params: object) -> Rewriter:
    plain = {"model": str(model), "prompt": "Say {text}:", "faithful_only": False}
    return bind(Choice(name="instruct", params=plain | params), seed)


def test_every_row_gets_an_answer_of_bounded_length(tiny: Path) -> None:
    made = asking(tiny, top_p=1.0, longest=2.0).generate(TEXTS)
    assert made[1] is None and made[3] is None, "nothing to rewrite without letters"
    assert made[0] and made[2] and made[4]
    for text, new in zip(TEXTS, made, strict=True):
        assert new is None or len(new) <= 2 * min(len(text), 256) + 8


def test_a_row_depends_on_its_text_and_the_seed(tiny: Path) -> None:
    together = asking(tiny, top_p=1.0).generate(TEXTS)
    assert asking(tiny, top_p=1.0).generate(TEXTS) == together
    assert asking(tiny, top_p=1.0).generate(TEXTS[2:3]) == together[2:3]
    assert asking(tiny, seed=1, top_p=1.0).generate(TEXTS) != together


def test_it_stops_in_the_middle_of_a_row(tiny: Path) -> None:
    asked = 0

    def cancel(done: int, total: int) -> None:
        nonlocal asked
        asked += 1
        if asked > 5:
            raise Cancelled

    chosen = Choice(name="instruct", params={"model": str(tiny), "top_p": 1.0})
    with pytest.raises(Cancelled):
        bind(chosen, 0, cancel)(["one long row " * 20])
    assert asked == 6


def test_unfaithful_rows_are_left_out_unless_they_are_wanted(tiny: Path) -> None:
    usual = Choice(name="instruct", params={"model": str(tiny), "top_p": 1.0})
    assert not any(bind(usual, 0).generate(TEXTS)), "random letters keep nothing"
    assert any(asking(tiny, top_p=1.0, faithful_only=False).generate(TEXTS))


def test_a_hub_model_without_network_is_said_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backend.models.language_models.hub_reachable", lambda: False)
    asked: list[str] = []
    monkeypatch.setattr(
        "huggingface_hub.file_download.get_hf_file_metadata", lambda url, **_: asked.append(url)
    )
    with pytest.raises(UserError, match="hub cannot be reached"):
        asking("nobody/nothing")(["a"])
    assert not asked


def test_another_model_in_the_folder_is_another_source(tiny: Path) -> None:
    before = language_models.state(str(tiny))
    (tiny / "config.json").touch()
    assert language_models.state(str(tiny)) != before


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("/nowhere/model", "There is no folder"),
        ("/nowhere/model.gguf", "There is no file"),
        ("", "in place of the row"),
    ],
)
def test_what_is_wrong_is_said(model: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        asking(model, prompt="{text}" if model else "no place for the row")(["a"])


def test_pickled_weights_are_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "pytorch_model.bin").write_bytes(b"")
    with pytest.raises(UserError, match="safetensors"):
        asking(tmp_path)(["a"])


def test_a_file_that_is_no_gguf_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.gguf").write_bytes(b"no model at all")
    with pytest.raises(UserError, match=r"model\.gguf"):
        asking(tmp_path / "model.gguf")(["a"])


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("It is dull.", "It is dull."),
        ("Sure! Here is the rewritten sentence: It is dull.", "It is dull."),
        ('"It is dull."', "It is dull."),
        ("Rewritten sentence:\nIt is dull.\n\nI hope this helps!", "It is dull."),
        ("The film: a triumph of dullness.", "The film: a triumph of dullness."),
        ("  \n ", ""),
    ],
)
def test_the_answer_alone_is_kept(said: str, kept: str) -> None:
    assert rewriting_in(said, complete=True) == kept


def test_an_answer_that_was_cut_ends_with_a_whole_sentence() -> None:
    assert rewriting_in("It is dull. It is also very", complete=False) == "It is dull."
    assert rewriting_in("It is also very", complete=False) == "It is also very"


def test_the_embedded_model_answers_in_sentences() -> None:
    texts = ["I loved every minute of this film.", "we never really feel involved with the progress ."]
    made = bind(Choice(name="instruct", params={"top_p": 0.1, "faithful_only": False}), 0).generate(texts)
    assert all(new and len(new.split()) > 3 and "<|" not in new for new in made)


def test_similarity_tells_the_same_from_something_else() -> None:
    text = "we never really feel involved with the story"
    same, other, longer = similarities(
        [text] * 3,
        ["we do not really feel involved in the narrative", "the soup was cold", text + " and so on" * 5],
    )
    assert not same.lost and same.similarity > 0.7
    assert "other content" in other.lost
    assert "much longer" in longer.label and "×" in longer.label
    assert similarities([], []) == []
    assert Similarity(0.5, 0.9).lost == ["much shorter"]
