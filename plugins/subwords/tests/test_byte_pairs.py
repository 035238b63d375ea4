"""The vocabulary `bpe`: exact texts, merges that do not depend on the order, files of the library, and a run."""

import itertools
import json
import math
import random
import shutil
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from seqforge_subwords import subwords
from seqforge_subwords.subwords import BytePairs
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

import seqforge as sf
from seqforge.data.dataset import prepare
from seqforge.errors import DataError, RunError
from seqforge.registry.component import Use
from seqforge.testing.vocabulary_suite import VocabularySuite

DOCUMENTS = [
    "".join(f"the number {n} is {'odd' if n % 2 else 'even'}, and {n * n} its square\n" for n in part).encode()
    for part in (range(100), range(100, 300), range(1000, 1200))
]


class TestVocabulary(VocabularySuite):
    vocabularies: ClassVar = {"bpe": BytePairs, "bpe, small": partial(BytePairs, size=300)}


@pytest.fixture(scope="module")
def learned() -> BytePairs:
    vocabulary = BytePairs(size=400)
    vocabulary.learn(DOCUMENTS)
    return vocabulary


@given(st.text().map(str.encode) | st.binary())
@example("the number 1 ä".encode()[:-1] + b"\xff is")
def test_every_text_is_decoded_as_it_was(learned: BytePairs, content: bytes) -> None:
    assert learned.decode(learned.encode(content)) == content


def test_frequent_sequences_are_symbols_and_rare_ones_are_bytes(learned: BytePairs) -> None:
    small = BytePairs(size=259)
    small.learn([b"a low low", b"a lower"])
    assert [small.decode([token]) for token in small.encode(" lower")] == [b" low", b"e", b"r"]
    assert learned.size == 400
    assert [learned.decode([token]) for token in learned.encode("дa")] == ["д".encode()[:1], "д".encode()[1:], b"a"]
    whole = b"".join(DOCUMENTS)
    assert len(learned.encode(whole)) < len(whole) / 3


def test_merges_do_not_depend_on_the_order_of_the_documents(learned: BytePairs) -> None:
    lines = [line + b"\n" for content in DOCUMENTS for line in content.splitlines()]
    states = []
    for seed in range(3):
        random.Random(seed).shuffle(lines)
        other = BytePairs(size=400)
        other.learn(lines)
        states.append(other.state())
    assert states[0] == states[1] == states[2]


TRICKY = st.text(st.sampled_from("ab1 \n\t\r\u2028\u3000\xa0\x85\x1c\x1fé'.!")) | st.text()


@given(text=TRICKY, size=st.integers(1, 5), words=st.integers(1, 5))
def test_a_text_has_the_tokens_of_the_library(text: str, size: int, words: int) -> None:
    known = BytePairs(size=600)
    known.learn([("".join(pair) * 3).encode() for pair in itertools.product("ab1 \n\t\x1c'.!", repeat=2)])
    expected = known._tokenizer.encode(text).ids
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(subwords, "_PIECE", size)
        patch.setattr(subwords, "_MOST_WORDS", words)
        patch.setattr(subwords, "_LONGEST_WORD", words)
        for _ in range(2):  # The second time, words are known.
            assert known.encode(text).tolist() == expected


def test_a_text_without_spaces_is_divided(learned: BytePairs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subwords, "_PIECE", 5)
    monkeypatch.setattr(subwords, "_LONGEST_PIECE", 10)
    text = b"number" * 100 + b"\xff"
    assert learned.decode(learned.encode(text)) == text
    assert [*map(len, subwords._pieces(text))][:2] == [10, 10]


def write_tokenizer(path: Path, size: int = 500, **parts: Any) -> Tokenizer:
    """Write a file of the library, learned from the documents."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    for name, part in parts.items():
        setattr(tokenizer, name, part)
    trainer = trainers.BpeTrainer(
        vocab_size=size, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), special_tokens=["<|end|>"]
    )
    tokenizer.train_from_iterator([content.decode() for content in DOCUMENTS], trainer)
    tokenizer.save(str(path))
    return tokenizer


def test_a_file_of_the_library_divides_texts_as_the_library_does(tmp_path: Path) -> None:
    tokenizer = write_tokenizer(tmp_path / "tokenizer.json")
    vocabulary = BytePairs(file=tmp_path / "tokenizer.json")
    assert not vocabulary.learns
    text = DOCUMENTS[0].decode()
    expected = [tokenizer.decode([token]) for token in tokenizer.encode(text).ids]
    assert [vocabulary.decode([token]).decode() for token in vocabulary.encode(text)] == expected
    assert vocabulary.size == 499  # without the special token
    small = BytePairs(size=300, file=tmp_path / "tokenizer.json")
    assert small.size == 300


def test_only_new_and_changed_documents_are_encoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_tokenizer(tmp_path / "tokenizer.json")
    (tmp_path / "corpus").mkdir()
    for number, content in enumerate(DOCUMENTS):
        (tmp_path / f"corpus/{number}.txt").write_bytes(content)
    encoded: list[bytes] = []

    class Counted(BytePairs):
        def encode_bytes(self, content: bytes) -> Any:
            encoded.append(content)
            return super().encode_bytes(content)

    def tokens_of(cache: str) -> bytes:
        """Return the tokens of a corpus in a cache, whose files are then in the cache."""
        encoded.clear()
        monkeypatch.setenv("SEQFORGE_CACHE", str(tmp_path / cache))
        corpus = sf.use("text", files=[str(tmp_path / "corpus/*.txt")])
        experiment = sf.Experiment(
            corpus=corpus, vocabulary=sf.use(Counted, file=str(tmp_path / "tokenizer.json")), data={"split": "document"}
        )
        return prepare(experiment, lambda event: None).token_file.map().read().tobytes()

    tokens_of("cache")
    assert encoded == DOCUMENTS
    same_size = DOCUMENTS[1].replace(b"even", b"evil")
    (tmp_path / "corpus/1.txt").write_bytes(same_size)
    (tmp_path / "corpus/00.txt").write_text("the new number")
    joined = tokens_of("cache")
    assert encoded == [b"the new number", same_size]
    tokens_of("cache")
    assert encoded == []
    assert tokens_of("another") == joined
    assert len(encoded) == 4
    write_tokenizer(tmp_path / "tokenizer.json", size=300)
    assert tokens_of("cache") != joined
    assert len(encoded) == 4


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "not a file of the library tokenizers"),
        ("[]", "not a file of the library tokenizers"),
        (json.dumps({"model": {"type": "WordPiece", "vocab": {}}}), "not a file of the library tokenizers"),
        (json.dumps({"model": {"type": "BPE", "vocab": {"a": 0}, "merges": [["a"]]}}), "not a file of the library"),
    ],
)
def test_another_file_is_an_error(content: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    path.write_text(content)
    with pytest.raises(DataError, match=message):
        BytePairs(file=path)
    with pytest.raises(DataError, match="no such file"):
        BytePairs(file=tmp_path / "missing.json").learn(DOCUMENTS)
    with pytest.raises(RunError, match=r"vocabulary\.json: damaged"):
        BytePairs(file=path.rename(tmp_path / "vocabulary.json"))


def test_a_file_that_changes_texts_is_an_error(tmp_path: Path) -> None:
    for parts in ({"normalizer": normalizers.Lowercase()}, {"pre_tokenizer": pre_tokenizers.Whitespace()}):
        write_tokenizer(tmp_path / "tokenizer.json", **parts)
        with pytest.raises(DataError, match="in another way than GPT-2"):
            BytePairs(file=tmp_path / "tokenizer.json")


@pytest.mark.parametrize("merges", ["ab", "a b c", "ab c", "a b\nabc d", 3])
def test_damaged_merges_are_an_error(merges: Any) -> None:
    with pytest.raises(ValueError, match=r"merge|unpack"):
        BytePairs().restore({"merges": merges})


def train(output: Path, noun: str, vocabulary: Use, initial: sf.Run | None = None) -> sf.Run:
    """Train a small model on text about a noun."""
    experiment = sf.Experiment(
        corpus=sf.use("inline", text="".join(f"the {noun} {number} is a {noun}\n" for number in range(300))),
        vocabulary=vocabulary,
        model={"cells": [sf.use("gru", hidden_size=16)]},
        data={"validation_fraction": 0.2},
        training={"steps": 30, "batch_size": 4, "sequence_length": 16},
        sampling={"interval": 30, "length": 20},
    )
    return sf.train(experiment, output=output, initial=initial, progress=False)


def test_a_run_with_the_vocabulary_of_another_one_keeps_every_symbol_and_needs_no_file(tmp_path: Path) -> None:
    first = train(tmp_path / "first", "number", sf.use("bpe", size=300))
    file = tmp_path / "vocabulary.json"
    shutil.copy(first.path / file.name, file)
    second = train(tmp_path / "second", "letter", sf.use("bpe", size=300, file=str(file)), first)
    assert "300 symbols kept, 0 new, 0 dropped" in str(second.load().history[0])
    file.unlink()
    assert second.vocabulary().state() == first.vocabulary().state()
    assert second.sample("the letter 1", length=5)[0].startswith("the letter 1")


def test_a_run_states_bits_per_character_whatever_its_symbols(tmp_path: Path) -> None:
    run = train(tmp_path, "number", sf.use("bpe", size=300))
    score = run.evaluate()
    tokens, characters = score.tokens, score.tokens * run.load().dataset.characters_per_token("validation")
    assert characters > 2 * tokens
    assert score.bits_per_character == pytest.approx(score.loss * tokens / math.log(2) / characters)
    assert run.sample("the number 1", length=5)[0].startswith("the number 1")
