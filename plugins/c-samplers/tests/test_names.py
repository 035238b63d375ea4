"""The names that the sampler `scoped` allows."""

from hypothesis import given
from hypothesis import strategies as st
from seqforge_c_samplers.name_lists import Alphabet, Scope
from seqforge_c_samplers.names import NameTable, WordRole
from seqforge_c_samplers.scoped_grammar import Grammar
from seqforge_code_structure.identifiers.lexicon import Flag, Lexicon

CHARACTERS = tuple(map(chr, range(128)))


@given(st.lists(st.text("ab_", min_size=1, max_size=4)), st.text("ab_", max_size=3))
def test_characters_that_continue_names_in_scope(names: list[str], prefix: str):
    alphabet = Alphabet(CHARACTERS)
    found = Scope.empty(alphabet).add(names[:2]).add(names[2:]).next_characters(prefix)
    expected = alphabet.bits(
        "".join({name[len(prefix)] for name in names if name.startswith(prefix) and name != prefix})
    )
    assert found == expected | (alphabet.complete if prefix in names else 0)


@given(st.sampled_from(["k", "kf", "kfree", "j", "E", "", "zz"]))
def test_characters_that_continue_names_of_the_lexicon(grammar: Grammar, prefix: str):
    names = grammar.names
    known = {*names.variables, *names.unreturned, *names.functions, *names.prefixes, "sizeof"}
    found = names.next_characters(WordRole.OPERAND, prefix)
    for token, character in enumerate(CHARACTERS):
        assert bool(found >> token & 1) == any(name.startswith(prefix + character) for name in known)


def test_names_that_no_function_may_spell_are_not_allowed():
    flags = dict.fromkeys(["$$mulI", "größe", "a" * 41, "while", "xz", "x1"], Flag.EVALUATES | Flag.VARIABLE)
    table = NameTable(
        Lexicon.from_flags(3, flags, localities=dict.fromkeys(flags, -9)), Alphabet(tuple("$mulIgrößea1xwhi"))
    )
    assert table.functions.keys() == table.variables.keys() == {"x1"}
