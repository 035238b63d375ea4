"""Measure byte pair encoding: a corpus of seqforge on one core and on all, `tokenizers` alone, and `datasets.map`.

Each encodes the same documents of C, from JSON Lines, with the same `tokenizer.json`, and must find as many tokens.
The processor time is that of all threads and processes, so that a busy machine hardly changes it.

    pip install datasets
    SEQFORGE_LINUX_SOURCE=linux-source-6.12.tar.xz python -m benchmarks.text_encoding [--megabytes 100] [--rounds 2]
"""

import argparse
import importlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

SYMBOLS, LEARNED = 8192, 5_000_000
"""Size of the vocabulary, and number of characters from which it is learned."""


def write_files(folder: Path, megabytes: int) -> None:
    """Write `documents.jsonl`, one document a line, and a `tokenizer.json` that is learned from its beginning."""
    from seqforge_linux_source.corpus import LinuxSource
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    size, first = 0, list[str]()
    with (folder / "documents.jsonl").open("w") as file:
        for document in LinuxSource(include=("drivers/**", "fs/**", "kernel/**")).documents():
            if size < LEARNED:
                first.append(document.content.decode())
            file.write(json.dumps({"text": document.content.decode()}) + "\n")
            size += len(document.content)
            if size > megabytes * 1_000_000:
                break
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=SYMBOLS, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(first, trainer)
    tokenizer.save(str(folder / "tokenizer.json"))
    print(f"{size / 1e6:.1f} MB", flush=True)


def _texts(folder: Path) -> Iterator[str]:
    with (folder / "documents.jsonl").open() as file:
        yield from (json.loads(line)["text"] for line in file)


def encode_corpus(folder: Path) -> int:
    """Encode the documents to a token file in a new cache."""
    os.environ["SEQFORGE_CACHE"] = tempfile.mkdtemp(dir=folder)
    import seqforge as sf
    from seqforge.data.dataset import prepare

    corpus = sf.use("json-lines", files=[str(folder / "documents.jsonl")])
    vocabulary = sf.use("bpe", size=SYMBOLS, file=str(folder / "tokenizer.json"))
    return prepare(sf.Experiment(corpus=corpus, vocabulary=vocabulary), lambda event: None).token_file.length


def encode_on_one_core(folder: Path) -> int:
    """Encode the documents as `encode_corpus`, but on one core."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    return encode_corpus(folder)


def encode_alone(folder: Path) -> int:
    """Encode the documents in batches of 100, and store nothing."""
    from tokenizers import Tokenizer

    tokenizer, texts = Tokenizer.from_file(str(folder / "tokenizer.json")), list(_texts(folder))
    batches = (texts[start : start + 100] for start in range(0, len(texts), 100))
    return sum(len(found.ids) for batch in batches for found in tokenizer.encode_batch_fast(batch))


def encode_with_map(folder: Path) -> int:
    """Encode the documents in batches of 100 to a file of Arrow."""
    from tokenizers import Tokenizer

    datasets: Any = importlib.import_module("datasets")
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))

    def encode(batch: dict[str, list[str]]) -> dict[str, list[list[int]]]:
        return {"ids": [found.ids for found in tokenizer.encode_batch_fast(batch["text"])]}

    file, cache = str(folder / "documents.jsonl"), tempfile.mkdtemp(dir=folder)
    loaded = datasets.load_dataset("json", data_files=file, split="train", cache_dir=cache)
    mapped = loaded.map(encode, batched=True, batch_size=100, remove_columns=["text"])
    return sum(len(chunk.values) for chunk in mapped.data["ids"].chunks)


METHODS: dict[str, Callable[[Path], int]] = {
    "seqforge": encode_corpus,
    "one core": encode_on_one_core,
    "tokenizers": encode_alone,
    "datasets.map": encode_with_map,
}


def main() -> None:
    """Run every method in a process of its own, in turns, and print the tokens and the time."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--method", choices=METHODS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.method:
        print(METHODS[arguments.method](arguments.folder))
        return
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as name:
        write_files(Path(name), arguments.megabytes)
        for method in [*METHODS] * arguments.rounds:
            before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
            command = [sys.executable, "-m", "benchmarks.text_encoding", "--method", method, "--folder", name]
            ran = subprocess.run(command, capture_output=True, text=True, check=True)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            seconds, passed = (
                after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
                time.monotonic() - started,
            )
            print(
                f"{method:<13} {int(ran.stdout):,} tokens  {seconds:6.1f} s of CPU time in {passed:6.1f} s", flush=True
            )


if __name__ == "__main__":
    main()
