"""Errors in small texts of each language, and none in correct ones."""

import tempfile
from pathlib import Path

import pytest
from seqforge_code_syntax.languages import NAMES
from seqforge_code_syntax.metric import CodeSyntax

CORRECT = {path.stem: path.read_text() for path in sorted(Path(__file__).with_name("correct").glob("*.txt"))}
"""For each language a correct text, with brackets in its comments and strings."""

UNDEFINED = {
    "go": "package a\n\nfunc h() int {\n\treturn n\n}\n",
    "java": "class B {\n    int h() {\n        return n;\n    }\n}\n",
    "javascript": "function h() {\n  return n;\n}\n",
    "python": "def h():\n    return a\n",
    "rust": "fn h() -> u8 {\n    n\n}\n",
}


def score(language: str, text: str, *training: str):
    metric = CodeSyntax(language)  # pyright: ignore[reportArgumentType]
    with tempfile.TemporaryDirectory() as folder:
        metric.fit(iter(training), Path(folder))
        metric.restore(Path(folder))
    return metric.score([text])


def test_each_language_has_a_correct_text():
    assert list(CORRECT) == list(NAMES)


@pytest.mark.parametrize("language", CORRECT)
def test_correct_code_has_no_errors(language: str):
    text = CORRECT[language]
    found = score(language, text, text)
    assert not found.findings
    assert found.weights["brackets"] > 0
    assert found.values["brackets"] == found.values["unclosed"] == found.values["syntax"] == 0
    if language != "latex":
        assert found.weights["syntax"] == text.count("\n") + 1
        assert found.weights["indentation"] > 0
        assert found.values["indentation"] == 1


@pytest.mark.parametrize(
    ("language", "text", "place", "message"),
    [
        ("go", "package a\n\nfunc f() {\n\tg(1\n}\n", "(1", "this is not closed before '}'"),
        ("java", "class A {\n    int f() { return 1; }}\n} // a\n", "} //", "'}' closes nothing"),
        ("javascript", "var a = 'b;\nvar c = 1;\n", "'b;", "this does not end"),
        ("json", '{"a": [1, 2}\n', "[1", "this is not closed before '}'"),
        ("json", '{"a": 1 "b": 2}\n', '"a": 1', "syntax error"),
        ("latex", "\\begin{a}\n\\begin{b}\n\\end{a}\n", "\\begin{b}", "this is not closed before '\\\\end{a}'"),
        ("latex", "a\n\\end{b}\n", "\\end{b}", "'\\\\end{b}' closes nothing"),
        ("python", "def f(:\n    return 1\n\nx = 1\n", ":\n", "')' is missing"),
        ("python", "a = 1)\n", ")", "')' closes nothing"),
        ("rust", "fn f() {\n    let a = [1, 2);\n}\n", "[1", "this is not closed before '}'"),
        ("xml", "<a>\n  <b>c\n</a>\n", "<b>", "this is not closed before '</a>'"),
    ],
)
def test_errors_are_found_at_their_places(language: str, text: str, place: str, message: str):
    assert (text.index(place), message) in {(found.start, found.message) for found in score(language, text).findings}


@pytest.mark.parametrize("language", UNDEFINED)
def test_names_that_training_code_declares_must_be_declared(language: str):
    found = score(language, UNDEFINED[language], CORRECT[language])
    name = "a" if language == "python" else "n"
    assert [error.message for error in found.findings] == [f"undefined name {name!r}"]
    assert (found.values["undefined"], found.weights["undefined"]) == (1, 1)


@pytest.mark.parametrize(
    ("language", "text"), [("javascript", "->"), ("go", "->"), ("python", "<!--"), ("rust", " -->")]
)
def test_a_text_that_takes_the_parser_too_long_has_an_error(language: str, text: str):
    messages = [found.message for found in score(language, text * 40_000).findings]
    assert messages == ["too complex for the parser"]


@pytest.mark.parametrize("language", CORRECT)
def test_a_text_may_end_anywhere(language: str):
    text = CORRECT[language]
    for stop in range(len(text)):
        found = score(language, text[:stop]).values
        assert (found["brackets"], found["unclosed"]) == (0, 0)


@pytest.mark.parametrize("language", ["java", "javascript", "python"])
def test_a_text_may_begin_inside_a_comment_or_string(language: str):
    end = "'''" if language == "python" else "*/"
    text = f'  the rest (of it isn"t code\n{end}\n' + CORRECT[language]
    values = score(language, text).values
    assert (values["brackets"], values["unclosed"], values["syntax"]) == (0, 0, 0)


def test_indentation_is_compared_with_the_block_around_it():
    text = CORRECT["java"].replace("            h(", "          h(")
    found = score("java", text)
    assert [error.message for error in found.findings] == ["the indentation does not match the block around it"]
    assert 0 < found.values["indentation"] < 1


def test_many_nested_blocks_take_linear_time():
    # An algorithm with quadratic time would take minutes.
    text = "fn f() {" + "{" * 20_000 + "}" * 20_000 + "}"
    assert score("rust", text).weights["brackets"] == 40_004
