"""The library transformers loads an exported folder, and generates and divides texts as the run does."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from seqforge_essentials.vocabularies import Bytes, Characters, Words
from seqforge_subwords.subwords import BytePairs, Unigram
from seqforge_transformers.exporter import write_tokenizer

import seqforge as sf
from seqforge.errors import PluginError
from seqforge.kinds import Vocabulary

RUN = Path(__file__).parents[3] / "tests/training/runs/version-3"
TEXT = "the cat sat on the mat, and the rat's hat: 12 cats… été\n\n\tthe end " * 9

PROGRAM = """
import sys, torch
from transformers import AutoModelForCausalLM, AutoTokenizer
tokenizer = AutoTokenizer.from_pretrained(sys.argv[1], trust_remote_code=True)
model = AutoModelForCausalLM.from_pretrained(sys.argv[1], trust_remote_code=True)
tokens = tokenizer("the ", return_tensors="pt")
greedy = {"do_sample": False, "max_new_tokens": 60}
written = model.generate(**tokens, **greedy)
print(tokenizer.decode(written[0]))

first = model.generate(**tokens, do_sample=False, max_new_tokens=10, return_dict_in_generate=True)
assert first.cache.get_seq_length() == 13
assert torch.equal(model.generate(first.sequences, cache=first.cache, do_sample=False, max_new_tokens=50), written)
assert torch.equal(model.generate(**tokens, use_cache=False, **greedy), written)

start = model(tokens.input_ids[:, :2])
after = model(tokens.input_ids[:, 2:], cache=start.cache)
torch.testing.assert_close(after.logits, model(tokens.input_ids).logits[:, 2:])

padding = torch.zeros(1, 3, dtype=torch.int64)
padded = torch.cat([padding, tokens.input_ids], 1), torch.cat([padding, tokens.attention_mask], 1)
assert torch.equal(model.generate(padded[0], attention_mask=padded[1], **greedy)[:, 3:], written)
torch.testing.assert_close(model(padded[0], padded[1]).logits[:, 3:], model(tokens.input_ids).logits)
beams = {"do_sample": False, "num_beams": 4, "num_return_sequences": 4, "max_new_tokens": 20}
assert torch.equal(model.generate(**tokens, **beams), model.generate(**tokens, use_cache=False, **beams))
model(**tokens, labels=tokens.input_ids).loss.backward()
assert model.head_weight.grad.abs().sum() > 0
smaller = AutoModelForCausalLM.from_pretrained(sys.argv[1], trust_remote_code=True, dtype=torch.bfloat16)
assert smaller(**tokens).logits.dtype == torch.bfloat16
"""


def test_a_user_generates_the_text_of_the_run(tmp_path: Path) -> None:
    pytest.importorskip("transformers", reason="needs pip install 'seqforge-transformers[transformers]'")
    run = sf.Run.open(RUN)
    check = sf.export_format(run, tmp_path / "out", "transformers")
    assert check.fault is None
    names = "README.md config.json model.safetensors modeling_seqforge.py tokenizer.json tokenizer_config.json"
    assert " ".join(sorted(path.name for path in (tmp_path / "out").iterdir())) == names
    (expected,) = run.sample("the ", length=60, samplers=["greedy"], precision="float32")
    (tmp_path / "program.py").write_text(PROGRAM)
    environment = {"HF_HOME": str(tmp_path / "cache"), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, tmp_path / "program.py", tmp_path / "out"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{expected}\n"
    card = (tmp_path / "out/README.md").read_text("utf-8")
    assert "| Parameters | 1,188 |" in card
    assert "| Validation | 3.7674 bits per character |" in card


def test_an_exported_folder_is_imported(tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    tables: dict[str, Any] = {
        "corpus": {"use": "inline", "text": TEXT},
        "vocabulary": {"use": "bpe", "size": 280},
        "data": {"reset_state": "document"},
        "model": {
            "cells": [{"use": "mlstm", "hidden_size": 8}, {"use": "gru", "hidden_size": 6}],
            "embedding_size": 6,
            "tied_weights": True,
            "initial_state": "learned",
            "final_norm": "rms",
        },
        "training": {"steps": 3, "batch_size": 2, "sequence_length": 8, "precision": "float32"},
    }
    run = sf.train(sf.Experiment.from_dict(tables), tmp_path / "runs", progress=False)
    sf.export_format(run, tmp_path / "exported", "transformers")
    imported = sf.import_model(tmp_path / "exported", tmp_path / "imported")
    for name, weight in run.model(device="cpu").state_dict().items():
        assert imported.model(device="cpu").state_dict()[name].equal(weight)
    assert imported.vocabulary().state() == run.vocabulary().state()
    assert imported.sample("the ", length=9) == run.sample("the ", length=9)


def test_a_missing_library_is_named_with_what_installs_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(PluginError, match=r"pip install 'seqforge-transformers\[transformers\]'"):
        sf.export_format(sf.Run.open(RUN), tmp_path / "out", "transformers")
    assert list(tmp_path.iterdir()) == []


def learned(make: Callable[[], Vocabulary]) -> Vocabulary:
    vocabulary = make()
    vocabulary.learn([TEXT.encode()])
    return vocabulary


VOCABULARIES: dict[str, Vocabulary] = {
    "bytes": Bytes(),
    "characters": learned(Characters),
    "unknown": learned(lambda: Characters(characters="aehst \n", unknown="?")),
    "bpe": learned(lambda: BytePairs(300)),
    "unigram": learned(lambda: Unigram(300)),
    "words": learned(lambda: Words(270)),
}
UNRESTRICTED = st.text(max_size=40) | st.lists(
    st.sampled_from([*TEXT, "the", " the", "  ", "\x1c", "\x85", "²", "\u0301"]), max_size=30
).map("".join)


@pytest.mark.parametrize("name", VOCABULARIES)
def test_a_tokenizer_divides_texts_as_the_vocabulary(name: str, tmp_path: Path) -> None:
    tokenizers: Any = pytest.importorskip("tokenizers")
    vocabulary = VOCABULARIES[name]
    write_tokenizer(vocabulary, tmp_path)
    tokenizer = tokenizers.Tokenizer.from_file(str(tmp_path / "tokenizer.json"))

    @settings(max_examples=150, deadline=None)
    @given(st.text(sorted(set(TEXT)), max_size=60) if name == "characters" else UNRESTRICTED)
    def check(text: str) -> None:
        ids = tokenizer.encode(text).ids
        assert ids == vocabulary.encode(text).tolist()
        if vocabulary.unknown is None:
            assert tokenizer.decode(ids, skip_special_tokens=False) == text

    check()
    assert json.loads((tmp_path / "tokenizer_config.json").read_text())["clean_up_tokenization_spaces"] is False


def test_a_character_that_is_not_in_the_vocabulary_is_an_error(tmp_path: Path) -> None:
    tokenizers: Any = pytest.importorskip("tokenizers")
    write_tokenizer(VOCABULARIES["characters"], tmp_path)
    with pytest.raises(Exception, match="Missing"):
        tokenizers.Tokenizer.from_file(str(tmp_path / "tokenizer.json")).encode("the cät")


class Halves(Bytes):
    """A vocabulary of somebody else."""


@pytest.mark.parametrize("vocabulary", [Halves(), learned(lambda: Words(270, unknown="<unk>"))])
def test_another_vocabulary_is_refused(vocabulary: Vocabulary, tmp_path: Path) -> None:
    with pytest.raises(PluginError, match="the format transformers has no tokenizer for the vocabulary"):
        write_tokenizer(vocabulary, tmp_path)
