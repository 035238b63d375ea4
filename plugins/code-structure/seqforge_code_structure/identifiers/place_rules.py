"""Rules that rewrite the parts of a unit of C of the Linux kernel: its head, its body, or a unit without a body."""

from seqforge_code_structure.identifiers.replacements import (
    blank_match,
    declare_structure,
    define_function,
    define_structure,
    replace_name_by,
    rewrite_declaring_loop,
    rewrite_list_loop,
    rewrite_type,
    write_member,
)
from seqforge_code_structure.identifiers.rule import ARGUMENTS, MEMBER, TYPE, Rule

_TYPE_ARGUMENTS = Rule(
    (b"(",),
    rb"(?P<opening>[(,]\s*+)(?P<type>" + TYPE + rb")(?=\s*+[,)])" + MEMBER,
    rewrite_type,
    "macros take types as arguments, as in `min_t(unsigned int, a, b)`, and some also take the name of a member "
    "after the type of a structure, as in `container_of(pointer, struct type, member)`",
)

_HEAD_ANNOTATIONS = Rule(
    (b"n", b"STATIC", b"FORCE_INLINE"),
    (
        rb"\b(?:\w{0,40}noinline\w*+|asmlinkage|notrace|noinstr|nokprobe_inline|inline_for_\w++|_{3,4}cacheline\w*+"
        rb"|INDIRECT_CALLABLE_SCOPE|fastcall|STATIC|FORCE_INLINE|FORCE_INLINE_TEMPLATE|ZSTDLIB_API|MEM_STATIC)\b"
    ),
    blank_match,
    "annotations before a type parse as another type",
)

TOP_LEVEL_RULES = (
    _HEAD_ANNOTATIONS,
    _TYPE_ARGUMENTS,
    Rule(
        (b"TEST_HARNESS_MAIN",),
        rb"\bTEST_HARNESS_MAIN\b",
        blank_match,
        "a macro of the test harness defines a function",
    ),
    Rule(
        (b"(",),
        rb"^[A-Za-z_]\w*+\s*+" + ARGUMENTS + rb"[ \t]*+(?=\n\s*+(?:[A-Za-z_]|\Z))",
        blank_match,
        "a macro of the top level may lack its semicolon",
    ),
    Rule(
        (b"__",),
        rb"(?<=\))\s++__\w++(?=\s*+;)",
        blank_match,
        "an annotation after the parameters of a prototype",
    ),
)
"""Rules for units without a brace."""

HEAD_RULES = (
    _HEAD_ANNOTATIONS,
    Rule(
        (b"\n",),
        rb"^(?:[A-Z][A-Z0-9_]++|module_\w++|\w{1,40}_initcall)\s*+" + ARGUMENTS + rb"[ \t]*+(?=\n\s*+[A-Za-z_])",
        blank_match,
        "a macro of the top level may lack its semicolon",
    ),
    Rule(
        (b"FIXTURE",),
        rb"\bFIXTURE_VARIANT_ADD\s*+" + ARGUMENTS + rb"\s*+\Z",
        declare_structure,
        "a macro of the test harness declares a variable",
    ),
    Rule(
        (b"FIXTURE",),
        rb"\bFIXTURE(?:_VARIANT)?\s*+\(\w++\)\s*+\Z",
        define_structure,
        "a macro of the test harness defines a structure",
    ),
    Rule(
        (b"TEST_F_TIMEOUT",),
        rb"\bTEST_F_TIMEOUT\s*+" + ARGUMENTS + rb"\s*+\Z",
        define_function,
        "a macro of the test harness defines a function",
    ),
    Rule(
        (b"(",),
        rb"\A\s*+(?:static\s++)?(?P<name>[A-Z][A-Z0-9_]{5,}+)(?=\s*+" + ARGUMENTS + rb"\s*+\Z)",
        replace_name_by(b"int x"),
        "macros such as `SYSCALL_DEFINE3(name, type, parameter, …)` define functions without a type before the name",
    ),
)
"""Rules for the part of a unit before its first `{`."""

MEMBER_RULES = (
    Rule(
        (b"(",),
        rb"(?<=[;{])(?P<space>\s*+)(?P<name>(?:[A-Z_][A-Z0-9_]++|__\w++)\s*+" + ARGUMENTS + rb")(?=\s*+;)",
        write_member,
        "macros declare members of a structure",
    ),
    Rule(
        (b";",),
        rb"(?<=;)\s*+;",
        blank_match,
        "the grammar does not allow an empty member",
    ),
)
"""Rules for the body of a structure or union, whose unit begins with it."""

BODY_RULES = (
    Rule(
        (b")\n",),
        rb"(?<=[;{},])(?P<space>\s*+)(?P<name>[A-Z][A-Z0-9_]++\s*+" + ARGUMENTS + rb")[ \t]*+(?=\n\s*+[.}A-Za-z])",
        blank_match,
        "a macro may lack the comma or semicolon after it",
    ),
    Rule(
        (b"_scoped(",),
        (
            rb"\b(?P<head>\w{0,40}for_each_\w{0,40}_scoped\()(?P<over>[^(),;{}]++),(?P<gap> |\n[ \t])"
            rb"(?P<variable>\s*+\w++\s*+)\)"
        ),
        rewrite_declaring_loop,
        "these loop macros declare their variable",
    ),
    Rule(
        (b"hash_for_each_possible",),
        rb"\bhash_for_each_possible\w*+\([^(),;{}]++,[^(),;{}]++,\s*+(?P<name>\w++)(?=\s*+,)",
        replace_name_by(b"0"),
        "the third argument names a member",
    ),
    Rule(
        (b"_rcu(",),
        rb"\blist_for_each_entry\w{0,20}_rcu\((?:[^(),;{}]++|"
        + ARGUMENTS
        + rb")++,(?:[^(),;{}]++|"
        + ARGUMENTS
        + rb")++,\s*+(?P<name>[\w.]++)(?=\s*+,)",
        replace_name_by(b"0"),
        "a condition follows the name of the member",
    ),
    Rule(
        (b"each_entry",),
        (
            rb"\b(?!idr_|xa_|radix_)(?P<name>\w{0,40}for_each_entry\w*+)(?P<arguments>\s*+\((?:[^(),;{}]++|"
            + ARGUMENTS
            + rb"|,(?!\s*+[\w.]++\s*+\)))*+)"
            rb"(?P<member>,\s*+[\w.]++\s*+)(?=\))"
        ),
        rewrite_list_loop,
        "the last argument of a loop over a list of structures names a member",
    ),
    Rule(
        (b"_size(", b"_entry(", b"dma_unmap_", b"from_timer(", b"from_tasklet("),
        (
            rb"\b(?:(?:struct_size|flex_array_size|list_next_entry|list_prev_entry|dma_unmap_\w++)\((?:[^(),;{}]++|"
            + ARGUMENTS
            + rb")++,\s*+|(?:from_timer|from_tasklet)\([^(),;{}]++,[^(),;{}]++,\s*+)"
            rb"(?P<name>[A-Za-z_][\w.]*+)(?=\s*+[,)])"
        ),
        replace_name_by(b"0"),
        "these macros take an object and the name of one of its members",
    ),
    Rule(
        (b"each", b"_all_", b"_walk", b"scoped_", b"_threads", b"with_intel"),
        (
            rb"\b(?P<name>\w{0,40}(?:for_?each|for_all_|_walk|for_other_threads|with_intel_)\w{0,40}+|scoped_\w++|\w{0,40}_scoped)"
            rb"(?=\s*+\()(?!\s*+" + ARGUMENTS + rb"\s*+;)"
        ),
        replace_name_by(b"while"),
        "loop macros are followed by a statement",
    ),
    Rule(
        (b") {",),
        (
            rb"\n[ \t]++(?!(?:while|switch)\b)(?P<name>\w{5,}+)"
            rb"(?=\s*+\((?:[^(){};]++|\((?:[^(){};]++|\([^(){};]*+\))*+\))*+\) \{)"
        ),
        replace_name_by(b"while"),
        "any other call before a block is also a loop macro",
    ),
    _TYPE_ARGUMENTS,
    Rule(
        (b"offsetof",),
        rb"(?P<name>offsetof)(?=\s*+\()",
        replace_name_by(b"offsetxx"),
        "the grammar has a special case for `offsetof`, which the arguments that the rule above returns do not match",
    ),
)
"""Rules for the part of a unit from its first `{` to its end."""
