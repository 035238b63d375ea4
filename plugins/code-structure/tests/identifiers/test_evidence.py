"""Evidence for undeclared names in excerpts."""

import pytest
from seqforge_code_structure.defects import RULES
from seqforge_code_structure.findings import analyze
from seqforge_code_structure.identifiers.checks import find_candidates
from seqforge_code_structure.identifiers.context import Context
from seqforge_code_structure.identifiers.evidence import WEIGHTS, Evidence, collect_evidence
from seqforge_code_structure.identifiers.lexicon import Flag, Lexicon
from seqforge_code_structure.identifiers.reading import read_unit

VARIABLE = Flag.VARIABLE | Flag.MAY_BE_LOCAL
LEXICON = Lexicon.from_flags(
    100,
    {"often": VARIABLE, "rarely": VARIABLE},
    localities={"often": 12, "rarely": -9, "my-": 3, "known-": -12, "-size": 5, "-ops": -8},
)


def find_evidence(statements: str) -> dict[str, Evidence]:
    text = f"static int f_a(struct s_b *p)\n{{\n{statements}\n}}\n"
    unit = read_unit(text)
    context = Context.of([unit], LEXICON, strict=False, whole=False)
    candidates = find_candidates(unit.functions[0], unit, context)
    return collect_evidence(candidates, unit.functions[0], unit, context.free, LEXICON)


def test_names_of_the_lexicon_have_its_locality_and_others_that_of_their_words():
    found = find_evidence("\treturn often + rarely + my_size + your_ops + size;")
    assert [
        tuple(item[kind] for kind in ("locality", "novel", "first_word", "last_word"))
        for item in (found[name] for name in ("often", "rarely", "my_size", "your_ops", "size"))
    ] == [(12, False, 0, 0), (-9, False, 0, 0), (0, True, 3, 5), (0, True, 0, -8), (0, True, 0, 0)]


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("g(new);", set()),
        ("g(&new);", {"address"}),
        ("g(new[1]);", {"element"}),
        ("g(new->a);", {"pointer"}),
        ("new = g();", {"assigned"}),
        ("new |= g();", {"assigned"}),
        ("g(new == 1, new <= 2, new << 3);", set()),
        ("new->a = new[2];", {"pointer", "element"}),
        ("g(New);", {"capitals"}),
        ("g(new_a + new_b);", {"sibling"}),
        ("new_g(new_a);", {"called_sibling"}),
        ("int i;\n\tg(new);", {"unused"}),
        ("int i = g(new);", {"unused"}),
        ("int i;\n\ti = 1;\n\tg(new);", {"only_assigned"}),
        ("int i;\n\tif (p)\n\t\ti = 1;\n\ti = 2;\n\tg(new);", {"only_assigned"}),
        ("int i;\n\ti = 1;\n\tg(new, i);", set()),
        ("int i;\n\tp->i = 1;\n\tg(i, new);", set()),
        ("int i;\n\tg(i == 1, new);", set()),
        ("int i, j;\n\tj = i = 1;\n\tg(j, new);", set()),
    ],
)
def test_evidence_of_the_uses_and_of_the_function(statement: str, expected: set[str]):
    found = next(iter(find_evidence(f"\t{statement}").values()))
    assert {kind for kind in list(WEIGHTS)[6:] if found[kind]} == expected


def test_positions_of_characters_outside_of_ascii_do_not_matter():
    found = find_evidence('\tint i;\n\tg("größe→→→→→→→→→→→→→→→→");\n\ti = 1;\n\tg(new);')
    assert found["new"]["only_assigned"]


def find_undefined(statement: str) -> list[str]:
    text = f"static int f(struct s *p)\n{{\n\tint err;\n\n\t{statement}\n}}\n"
    found = analyze(text, LEXICON, cut=True)
    return [text[item.start : item.stop] for item in found if RULES[item.rule].default]


def test_a_wrong_name_leaves_its_variable_unread():
    assert find_undefined("err = 0;\n\treturn g(err, known_globally);") == []
    assert find_undefined("err = 0;\n\treturn g(known_globally);") == ["known_globally"]
