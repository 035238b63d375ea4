"""The digest by which a run knows the corpus that it was trained on."""

from collections.abc import Callable
from types import ModuleType

import pytest

from seqforge.data import TokenFile

Encode = Callable[..., TokenFile]


def test_the_digest_tells_tokens_and_documents_apart(encoded: Encode, made: ModuleType):
    documents = {"a": "one", "b": "two"}
    same = [encoded(documents).digest, encoded({**documents, "empty": ""}).digest]
    same.append(TokenFile.open(encoded(documents).folder).digest)
    assert len(set(same)) == 1
    others = [{"b": "two", "a": "one"}, {"a": "one", "c": "two"}, {"a": "onet", "b": "wo"}, {"a": "one", "b": "twO"}]
    digests = [encoded(other).digest for other in others]
    digests.append(encoded(documents, made.VOCABULARIES["characters"]()).digest)
    assert len({*same, *digests}) == 6


def test_the_digest_tells_vocabularies_apart_whose_tokens_are_the_same(encoded: Encode, made: ModuleType):
    files = [encoded({"a": text}, made.VOCABULARIES["characters"]()) for text in ("xyx", "aba")]
    assert files[0].map().read().tolist() == files[1].map().read().tolist() == [0, 1, 0]
    assert len({file.digest for file in files}) == 2


PAST = {"a": "plain\n", "café": "naïve", "one/b.c": "€ \U0001f525 x", "\udcff": "latin ÿ"}
WIDE = {"all": "".join(map(chr, range(0x100, 0x100 + 300))), "x": "abc"}


@pytest.mark.parametrize(
    ("documents", "name", "digest"),
    [
        (PAST, "bytes", "c84235f75e546489feba8bd5cb6e164d"),
        (PAST, "characters", "f839b893950efe49ac0df1d284659f74"),
        (WIDE, "characters", "31b15b540d2d2b24ad8c82a27a32527d"),
    ],
)
def test_a_corpus_is_known_by_the_digest_of_version_1_too(
    encoded: Encode,
    made: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    documents: dict[str, str],
    name: str,
    digest: str,
):
    monkeypatch.setattr("seqforge.data.earlier_digest._PIECE", 2)
    token_file = encoded(documents, made.VOCABULARIES[name]())
    assert token_file.digest != digest
    assert token_file.has_digest(digest)
    assert token_file.has_digest(token_file.digest)
    for other in ({**documents, "a": "other"}, {**documents, "b": ""}, {**documents, "b": "b"}):
        assert encoded(other, made.VOCABULARIES[name]()).has_digest(digest) == (other.get("b") == "")


def test_digests_stay_as_they_are(encoded: Encode, made: ModuleType):
    """By these a run knows its corpus; where they change, `has_digest` must still know those of before."""
    assert encoded(PAST).digest == "f97db7372cb0349eb56273a0d65764d2"
    assert encoded(PAST, made.VOCABULARIES["characters"]()).digest == "f66ac745b54f3befa6e0989f225fac8e"
    vocabulary = made.WithoutCodes(made.VOCABULARIES["characters"]())
    assert encoded(PAST, vocabulary).digest == "3e213868e1f278ee4a7b698933d278c8"
