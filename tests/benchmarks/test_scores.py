"""Lines that repeat one of the lines before are counted by hand."""

from benchmarks.c_learning.scores import REPEATED, count_repetitions


def test_a_line_repeats_one_of_those_shortly_before_it() -> None:
    others = [f"number_{i} = {i};" for i in range(REPEATED)]
    near = ["reason = reason;", *others[1:], "\treason = reason;"]
    assert count_repetitions("\n".join(near)) == (1, REPEATED + 1)
    assert count_repetitions("\n".join(["reason = reason;", *others, "reason = reason;"])) == (0, REPEATED + 2)


def test_short_lines_do_not_count() -> None:
    assert count_repetitions("return 0;\n\n}\nreturn 0;\n\n}\n") == (0, 0)
