"""The digest that identifies the corpus on which a run was trained."""

from collections.abc import Callable
from types import ModuleType

from seqforge.data.token_file import TokenFile

Encode = Callable[..., TokenFile]


def test_other_tokens_or_documents_have_another_digest(encoded: Encode, made: ModuleType):
    documents = {"a": "one", "b": "two"}
    same = [encoded(documents).digest, encoded({**documents, "empty": ""}).digest]
    same.append(TokenFile.open(encoded(documents).folder).digest)
    assert len(set(same)) == 1
    others = [{"b": "two", "a": "one"}, {"a": "one", "c": "two"}, {"a": "onet", "b": "wo"}, {"a": "one", "b": "twO"}]
    digests = [encoded(other).digest for other in others]
    digests.append(encoded(documents, made.VOCABULARIES["characters"]()).digest)
    assert len({*same, *digests}) == 6


def test_another_vocabulary_with_the_same_tokens_has_another_digest(encoded: Encode, made: ModuleType):
    files = [encoded({"a": text}, made.VOCABULARIES["characters"]()) for text in ("xyx", "aba")]
    assert files[0].map().read().tolist() == files[1].map().read().tolist() == [0, 1, 0]
    assert len({file.digest for file in files}) == 2


DOCUMENTS = {"a": "plain\n", "café": "naïve", "one/b.c": "€ \U0001f525 x", "\udcff": "latin ÿ"}


def test_digests_do_not_change(encoded: Encode, made: ModuleType):
    """A run identifies its corpus by its digest: with another digest, no existing run could be resumed."""
    assert encoded(DOCUMENTS).digest == "f97db7372cb0349eb56273a0d65764d2"
    assert encoded(DOCUMENTS, made.VOCABULARIES["characters"]()).digest == "f66ac745b54f3befa6e0989f225fac8e"
    vocabulary = made.WithoutCodes(made.VOCABULARIES["characters"]())
    assert encoded(DOCUMENTS, vocabulary).digest == "3e213868e1f278ee4a7b698933d278c8"
