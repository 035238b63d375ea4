"""Explanations of undefined names."""

import pytest
from seqforge_code_structure.findings import analyze

OTHER = "int other(int index)\n{\n\treturn index;\n}\n\n"


def messages(body: str, before: str) -> list[str]:
    found = analyze(f"{before}int f(int length)\n{{\n{body}\n}}\n", None, strict=True).defects
    return [item.message for item in found if item.rule in ("undefined-name", "undefined-return")]


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
