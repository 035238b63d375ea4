"""Rules that rewrite the parts of a unit of C of the Linux kernel: its head, its body, or a unit without a body."""

from seqforge_code_structure.identifiers.rule import (
    ANNOTATION,
    ARGUMENTS,
    BASIC,
    MACRO,
    MEMBER,
    TYPE,
    Rewrite,
    remove_member,
    rewrite_declared_variable,
    rewrite_declaring_loop,
    rewrite_list_loop,
    rewrite_type,
)

_ARGUMENT = rb"(?:[^(),;{}]++|" + ARGUMENTS + rb")++"
_TYPE_ARGUMENTS = Rewrite(
    (b"(",),
    rb"(?P<opening>[(,]\s*+)(?=[A-Za-z_])(?P<type>" + TYPE + rb")(?=\s*+[,)])" + MEMBER,
    "macros take types as arguments, as in `min_t(unsigned int, a, b)`, and some also take the name of a member "
    "after the type of a structure, as in `container_of(pointer, struct type, member)`",
    rewrite_type,
    always=True,
)
_OFFSET = Rewrite(
    (b"offsetof",),
    rb"offsetof(?<!\woffsetof)(?=\s*+\()",
    "the grammar has a special case for `offsetof`, which the arguments that the rule above returns do not match",
    b"offsetxx",
    always=True,
)
_HEAD_ANNOTATIONS = (
    Rewrite(
        (b"noi", b"asml", b"notrace", b"nokprobe", b"cacheline", b"inline_for", b"fastcall"),
        rb"\b(?:\w{0,40}noinline\w*+|asmlinkage|notrace|noinstr|nokprobe_inline|inline_for_\w++|_{3,4}cacheline\w*+"
        rb"|fastcall)\b",
        "annotations before a type parse as another type",
    ),
    Rewrite(
        (b"_", b"STATIC", b"FORCE"),
        rb"\b(?:(?:STATIC|FORCE_INLINE|FORCE_INLINE_TEMPLATE|INDIRECT_CALLABLE_SCOPE|ZSTDLIB_API|MEM_STATIC)\b"
        rb"|[A-Z][A-Z0-9_]++(?=\s++(?:const\s++)?(?:static|struct|union|enum|" + BASIC + rb"|\w++(?<=_t))\s))",
        "the same for macros",
    ),
    Rewrite(
        (b"__",),
        ANNOTATION + rb"(?=\s++(?:static|const|struct|union|enum|" + BASIC + rb")\b)",
        "the same before a keyword of a type",
    ),
    Rewrite(
        (b") ",),
        rb"^[A-Za-z_]\w*+" + ARGUMENTS + rb"(?=[ \t]++(?:static|const|struct|union|enum|" + BASIC + rb")\b)",
        "the same for a macro with arguments before a type",
    ),
    Rewrite(
        (b"(",),
        rb"\b(?!(?:static|extern|inline|const|volatile|return|else)\b)[A-Za-z_]\w*+[\s*]++(?P<name>"
        + MACRO
        + rb")(?=\s++\**\w++\s*+\()",
        "the same for a macro before the name of a function",
    ),
)

TOP_LEVEL_RULES = (
    *_HEAD_ANNOTATIONS,
    Rewrite(
        (b")\n", b") ", b")\t"),
        rb"^[A-Za-z_]\w*+\s*+" + ARGUMENTS + rb"[ \t]*+(?=\n\s*+(?:[A-Za-z_]|\Z))",
        "a macro of the top level may lack its semicolon",
    ),
    Rewrite((b"_",), rb"^[A-Z][A-Z0-9_]{3,}+[ \t]*+(?=\s*+(?:\n[A-Za-z_]|\Z))", "and its brackets"),
    _TYPE_ARGUMENTS,
    _OFFSET,
)
"""Rules for units without a brace."""

HEAD_RULES = (
    *_HEAD_ANNOTATIONS,
    Rewrite(
        (b"_",),
        rb"^[A-Z][A-Z0-9_]{3,}+[ \t]*+(?=\n\s*+(?:static\b|" + MACRO + rb"[\n(]))",
        "a macro of the top level may lack its semicolon and its brackets",
    ),
    Rewrite(
        (b")\n", b") ", b")\t"),
        rb"^(?:(?:static\s++)?[A-Za-z_]\w*+|[ \t]++" + MACRO + rb")\s*+" + ARGUMENTS + rb"[ \t]*+(?=\n\s*+[A-Za-z_])",
        "a macro of the top level may lack its semicolon",
    ),
    Rewrite(
        (b"_",),
        rb"\w\s++(?P<name>[A-Z][A-Z0-9]*_[A-Z0-9_]++)(?=\s*+[,)])",
        "an annotation after a parameter",
    ),
    Rewrite(
        (b"FIXTURE",),
        rb"FIXTURE_VARIANT_ADD\s*+" + ARGUMENTS + rb"\s*+\Z",
        "a macro of the test harness declares a variable",
        b"int x =",
        always=True,
    ),
    Rewrite(
        (b"FIXTURE",),
        rb"\bFIXTURE(?:_VARIANT)?\s*+\(\w++\)\s*+\Z",
        "a macro of the test harness defines a structure",
        b"struct x",
        always=True,
    ),
    Rewrite(
        (b"=",),
        rb"\A\s*+(?:static\s++)?(?P<name>[A-Z][A-Z0-9_]++\s*+" + ARGUMENTS + rb")\s*+=\s*+\Z",
        "a macro declares a variable, which has an initializer",
        b"int x",
        always=True,
    ),
    Rewrite(
        (b"(",),
        rb"\A\s*+(?:static\s++)?(?P<name>[A-Z][A-Z0-9_]{3,}+)(?=\s*+" + ARGUMENTS + rb"\s*+\Z)",
        "macros such as `SYSCALL_DEFINE3(name, type, parameter, …)` define functions without a type before the name",
        b"int x",
        always=True,
    ),
)
"""Rules for the part of a unit before its first `{`."""

MEMBER_RULES = (
    Rewrite(
        (b"(",),
        rb"[;{]\s*+(?P<name>(?:[A-Z_][A-Z0-9_]++|__\w++|struct_group\w*+)\s*+" + ARGUMENTS + rb")(?=\s*+;)",
        "macros declare members of a structure",
        b"int x",
    ),
)
"""Rules for the body of a structure or union, whose unit begins with it."""

ENUMERATOR_RULES = (
    Rewrite((b"\n",), rb"[{,]\s*+(?P<name>(?:[A-Za-z_]\w*+\s++)++)(?=[A-Za-z_])", "a macro may lack its comma"),
    Rewrite(
        (b"(",), rb"[{,]\s*+[A-Za-z_]\w*+\s*+(?P<name>" + ARGUMENTS + rb")(?=\s*+[,}])", "macros declare constants"
    ),
)
"""Rules for the body of an enumeration, whose unit begins with it."""

BODY_RULES = (
    Rewrite(
        (b"DEFINE_", b"DECLARE_"),
        rb"(?P<before>(?:DEFINE|DECLARE)_\w++\((?:(?:struct|union)\s++\w++,\s*+)?+\**+)(?P<name>\w++)(?:,(?:[^()]++|"
        + ARGUMENTS
        + rb")*+)?\)(?=\s*+=)",
        "these macros declare a variable, which may have an initializer",
        rewrite_declared_variable,
    ),
    Rewrite(
        (b"FLEX_ARRAY",),
        rb"\b_{0,2}DECLARE_FLEX_ARRAY\s*+" + ARGUMENTS,
        "this macro declares a member of a structure",
        b"int x",
    ),
    Rewrite(
        (b"] ", b"]\t"),
        rb"[{,]\s*+(?P<name>\[[^][]*+\])(?=\s++[\w\"{])",
        "the grammar lacks the initializers of GNU C without `=`",
    ),
    Rewrite(
        (b"\n",),
        rb"[;{},:]\s*+(?P<name>(?:(?:[A-Z][A-Z0-9_]++\s*+" + ARGUMENTS + rb"|[A-Z][A-Z0-9_]{3,}+)[ \t]*+\n\s*+)++)"
        rb"(?=[.{}\"A-Za-z])",
        "macros may lack the comma or semicolon after them",
    ),
    Rewrite(
        (b") ", b")\t"),
        rb"[;{}:),]\s*+(?P<name>" + MACRO + ARGUMENTS + rb")(?=[ \t]++" + MACRO + rb")",
        "the same before another macro",
    ),
    Rewrite(
        (b") = {", b")={"),
        rb"[{,]\s*+(?P<name>" + MACRO + ARGUMENTS + rb"\s*+=)(?=\s*+\{)",
        "a macro is the designator of an element",
    ),
    Rewrite(
        (b"\t__", b" __"),
        rb"[;{}][ \t]*+\n\s*+(?P<name>__\w++)[ \t]*+(?=\n\s*+(?:for|while|do)\b)",
        "an annotation of a loop",
    ),
    Rewrite(
        (b"} ",),
        rb"\} (?P<name>[a-z]\w{6,}+\(\))(?=\s*+;)",
        "a macro ends a loop that begins with `do`",
        b"while(0)",
    ),
    Rewrite(
        (b"} ",),
        rb"\} (?P<name>(?!(?:while|if|for|switch)\b)[a-z]\w{4,}+)(?=\s*+" + ARGUMENTS + rb"\s*+;)",
        "the same for a macro with arguments",
        b"while",
    ),
    Rewrite((b") {",), rb"\{\s*+(?P<name>" + MACRO + ARGUMENTS + rb")(?=\s*+\{)", "the same before a brace"),
    Rewrite(
        (b"truct {", b"nion {"),
        rb"(?:struct|union) \{\s*+(?P<name>[A-Z_][A-Z0-9_]++\s*+" + ARGUMENTS + rb")(?=\s*+;)",
        "a macro declares members of a structure",
        b"int x",
    ),
    Rewrite(
        (b"_scoped(",),
        rb"\b(?P<head>\w{0,40}for_each_\w{0,40}_scoped\()(?P<over>[^(),;{}]++),(?P<gap> |\n[ \t])"
        rb"(?P<variable>\s*+\w++\s*+)\)",
        "these loop macros declare their variable",
        rewrite_declaring_loop,
    ),
    Rewrite(
        (b"hash_for_each",),
        rb"hash_for_each(?:_possible\w*+\([^()]*,\s*+(?P<name>\w++)\s*+,(?:[^(),]++|" + ARGUMENTS + rb")++\)"
        rb"|(?:_safe|_rcu)?+\([^()]*,\s*+(?P<last>\w++)\s*+\))",
        "the last argument but one, or the last one, names a member",
        remove_member,
    ),
    Rewrite(
        (b"_rcu(",),
        rb"list_for_each_entry\w{0,20}_rcu\(" + _ARGUMENT + rb"," + _ARGUMENT + rb",\s*+(?P<name>[\w.]++)(?=\s*+,)",
        "a condition follows the name of the member",
        b"0",
    ),
    Rewrite(
        (b"each_entry",),
        rb"\b(?!idr_|xa_|radix_)(?P<name>\w{0,40}for_each_entry\w*+)(?P<arguments>\s*+\((?:[^(),;{}]++|"
        + ARGUMENTS
        + rb"|,(?!\s*+[\w.]++(?:\[\w++\])?+\s*+\)))*+)(?P<member>,\s*+[\w.]++(?:\[\w++\])?+\s*+)(?=\))",
        "the last argument of a loop over a list of structures names a member",
        rewrite_list_loop,
    ),
    Rewrite(
        (b"_size(", b"_entry(", b"dma_unmap_"),
        rb"\b(?:struct_size|flex_array_size|list_next_entry|list_prev_entry|dma_unmap_\w++)\("
        + _ARGUMENT
        + rb",\s*+(?P<name>[A-Za-z_][\w.]*+)(?=\s*+[,)])",
        "these macros take an object and the name of one of its members",
        b"0",
        always=True,
    ),
    Rewrite(
        (b"from_timer(", b"from_tasklet(", b"_entry(", b"_entry_or_null(", b"container_of("),
        rb"\b\w*(?:from_timer|from_tasklet|_entry|_entry_or_null|container_of)\("
        + _ARGUMENT
        + rb","
        + _ARGUMENT
        + rb",\s*+(?P<name>[A-Za-z_][\w.]*+)(?=\s*+\))",
        "these macros take a pointer, a type or a variable, and the name of a member",
        b"0",
        always=True,
    ),
    Rewrite(
        (b"each", b"_all_", b"_walk", b"scoped_", b"_threads", b"with_intel"),
        rb"\b(?P<name>\w{0,40}(?:for_?each|for_all_|_walk|for_other_threads|with_intel_)\w{0,40}+|scoped_\w++"
        rb"|\w{0,40}_scoped)(?=\s*+\()(?!\s*+" + ARGUMENTS + rb"\s*+;)",
        "loop macros are followed by a statement",
        b"while",
    ),
    Rewrite(
        (b") {",),
        rb"\n[ \t]++(?!(?:while|switch|return)\b)(?P<name>\w{5,}+)"
        rb"(?=\s*+" + ARGUMENTS + rb" \{)",
        "any other call before a block is also a loop macro",
        b"while",
    ),
    Rewrite(
        (b")\n",),
        rb"\n(?P<indentation>[ \t]++)(?P<name>(?!(?:while|switch|return)\b)\w{5,}+)"
        rb"(?=\s*+" + ARGUMENTS + rb"\n(?P=indentation)[ \t]++[A-Za-z_])",
        "and so is one before a statement that is indented further",
        b"while",
    ),
    _TYPE_ARGUMENTS,
    _OFFSET,
)
"""Rules for the part of a unit from its first `{` to its end."""
