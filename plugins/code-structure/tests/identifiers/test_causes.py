"""Explanations of undefined names, and calls with a wrong number of arguments."""

import pytest
from seqforge_code_structure.findings import analyze

OTHER = "int other(int index)\n{\n\treturn index;\n}\n\n"


def messages(body: str, before: str) -> list[str]:
    found = analyze(f"{before}int f(int length)\n{{\n{body}\n}}\n", None, strict=True)
    return [item.message for item in found if item.rule in ("undefined-name", "undefined-return", "wrong-arguments")]


@pytest.mark.parametrize(
    ("body", "before", "message"),
    [
        ("\tg(total, 1);\n\tint total = 1;\n\treturn total;", "", "identifier 'total', which is declared later"),
        (
            "\tif (length) {\n\t\tint a = 1;\n\t\tg(a, 1);\n\t}\n\tg(a);",
            "",
            "identifier 'a', which another block declares",
        ),
        ("\tg(index + length);", OTHER, "identifier 'index', which another function declares"),
        ("\tg(lenght + length);", "", "identifier 'lenght'; did you mean 'length'?"),
        ("\tg(total, length);", "", "identifier 'total'"),
    ],
)
def test_an_undefined_name_is_explained(body: str, before: str, message: str) -> None:
    assert messages(body, before) == [f"undefined {message}"]


@pytest.mark.parametrize(
    ("body", "before", "given", "expected"),
    [
        ("\treturn other(length, 1);", OTHER, 2, 1),
        ("\treturn other();", OTHER, 0, 1),
        ("\treturn other(1);", OTHER.replace("int index", "void").replace("index", "1"), 1, 0),
    ],
)
def test_wrong_numbers_of_arguments_are_found(body: str, before: str, given: int, expected: int) -> None:
    assert messages(body, before) == [f"'other' is called with {given} arguments, but has {expected} parameters"]


@pytest.mark.parametrize(
    ("body", "before"),
    [
        ("\treturn other(length /* , */);", OTHER),
        ("\treturn other((length, 1));", OTHER),
        ("\treturn other(1, length);", OTHER.replace("int index", "int index, ...")),
        ("\treturn other(1, length);", OTHER.replace("int index", "").replace("index", "1")),
        ("\treturn other(1, length);", "#define other(x, y) x\n" + OTHER),
        ("\treturn other(1, length);", OTHER + OTHER),
        ("\treturn other(0, 1, length);", OTHER.replace("int index", "struct a *index, COMMON")),
        ("\tint (*other)(int, int) = length;\n\treturn other(1, length);", OTHER),
        ("\treturn other(1, length", OTHER),
    ],
)
def test_correct_and_uncertain_calls_are_not_reported(body: str, before: str) -> None:
    assert messages(body, before) == []
