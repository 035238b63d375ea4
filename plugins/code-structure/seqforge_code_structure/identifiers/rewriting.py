"""Rewrite C of the Linux kernel so that a C parser accepts it, by a table of rules for its macros.

A rule replaces a match by as many bytes and keeps its line breaks, so that positions in the code remain valid. It also
keeps the positions of names, since these are read from the text by position.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from seqforge_code_structure.identifiers.compiled_code import blank

Match = re.Match[bytes]


class Rule(NamedTuple):
    """A rule of the rewriting.

    Attributes:
        hints: Byte strings. Code that contains none of them is not searched for the pattern, to save time.
        pattern: Pattern of the code to replace.
        replacement: Function that returns the replacement of a match.
        reason: Reason for the rule.
    """

    hints: tuple[bytes, ...]
    pattern: re.Pattern[bytes]
    replacement: Callable[[Match], bytes]
    reason: str


def _blank_match(match: Match) -> bytes:
    return blank(match[0])


def _replace_name_by(word: bytes) -> Callable[[Match], bytes]:
    """Return a replacement function that changes the group `name` to a word, unless the word is longer."""

    def replace(match: Match) -> bytes:
        whole = match[0]
        start, stop = (position - match.start() for position in match.span("name"))
        if stop - start < len(word):
            return whole
        return whole[:start] + word + blank(whole[start + len(word) : stop]) + whole[stop:]

    return replace


def _write_sum(match: Match) -> bytes:
    return blank(match[0][:-3]) + b" + "


def _rewrite_declaring_loop(match: Match) -> bytes:
    # This declares a structure whose bit-field uses one name, and a variable with the other name.
    head = b"struct{int x:"
    return head + blank(match["head"][len(head) :]) + match["over"] + b";}" + match["variable"] + b";"


def _rewrite_list_loop(match: Match) -> bytes:
    return b"while" + blank(match["name"][5:]) + match["arguments"] + blank(match["member"])


def _rewrite_type(match: Match) -> bytes:
    opening, kind = match["opening"], match["type"]
    if not _is_argument(match.string, match.start("opening")):
        return match[0]
    member = match["member"]
    if member is None or match["record"] is None:
        return opening + b"0" + blank(kind[1:]) + (member or b"")
    comma, path = match["comma"], match["path"]
    return opening + b"0" + blank(kind[1:]) + comma + b"0" + blank(path[1:]) + member[len(comma + path) :]


def _is_argument(code: bytes, position: int) -> bool:
    """Return whether the bracket or comma at a position precedes an argument of a call, not a parameter."""
    start = max(0, position - _LONGEST_CALL)
    opening = _find_opening(code, start, position)
    if opening is None:
        return True
    before = code[start:opening]
    callee = _CALLEE.search(before, max(0, len(before) - _LONGEST_NAME))
    if callee is None:
        return False
    head = before[: callee.start()]
    statement = head[max(head.rfind(mark) for mark in (b";", b"{", b"}")) + 1 :].split()
    return not statement or statement[0] in _NO_TYPES or not all(_TYPE_WORD.fullmatch(word) for word in statement)


def _find_opening(code: bytes, start: int, position: int) -> int | None:
    """Return the position of the round bracket around a position, or None if it is before `start`."""
    depth = 0
    # The bracket at the position itself may be the one.
    for match in reversed(list(_BRACKET.finditer(code, start, position + 1))):
        depth += 1 if match[0] == b"(" else -1
        if depth > 0:
            return match.start()
    return None


def _name_bit_field(match: Match) -> bytes:
    return match["type"] + b"x" + blank(match["width"][1:])


def _rewrite_per_cpu_variable(match: Match) -> bytes:
    # The name stays in its place, as a variable of the type int.
    return b"int" + blank(match["before"][3:]) + match["name"] + b" "


def _declare_structure(match: Match) -> bytes:
    return b"int x =" + blank(match[0][7:])


def _write_member(match: Match) -> bytes:
    return match["space"] + b"int x" + blank(match["name"][5:])


def _rewrite_type_of(match: Match) -> bytes:
    return b"int" + blank(match[0][3:])


def _rewrite_automatic_type(match: Match) -> bytes:
    return b"int "


def _replace_by_zero(match: Match) -> bytes:
    whole = match[0]
    start, stop = (position - match.start() for position in match.span("address"))
    return whole[:start] + b"0" + blank(whole[start + 1 : stop])


_STRUCTURE = re.compile(rb"\b(?:struct|union)(?:\s++\w++)?\s*+\Z")
_LABEL_ADDRESS = re.compile(rb"(?:[=,({\[?:-]|\breturn\b)\s*+&&\s*+(?P<name>[A-Za-z_]\w*+)")
_BRACKET = re.compile(rb"[()]")
_LONGEST_CALL = 400
_LONGEST_NAME = 80
_NO_TYPES = (b"return", b"else", b"case", b"do", b"goto")
_TYPE_WORD = re.compile(rb"\**(?:[A-Za-z_]\w*+\**)?")

_ARGUMENTS = rb"\((?:[^()]++|\((?:[^()]++|\((?:[^()]++|\([^()]*+\))*+\))*+\))*+\)"
"""Balanced brackets, nested up to four deep."""

_CALLEE = re.compile(
    rb"(?<!\w)(?!(?:sizeof|typeof|__typeof__|__typeof|alignof|_Alignof|__alignof__|if|while|for|switch|return)\b)[A-Za-z_]\w*+\s*+\Z"
)
_BASIC = (
    rb"(?:unsigned|signed|long|short|int|char|void|_?[Bb]ool|float|double|__[us](?:8|16|32|64)|[us](?:8|16|32|64))\b"
)
_TYPE = (
    rb"(?:(?P<record>(?:const\s++)?(?:(?:struct|union|enum)\s++\w++|(?:__)?typeof(?:__)?\s*+"
    + _ARGUMENTS
    + rb")(?:\s*+\*)*+)"
    rb"|(?:const\s++)?" + _BASIC + rb"(?:\s++" + _BASIC + rb")*+(?:\s*+\*)*+"
    rb"|(?:const\s++)?[A-Za-z_]\w*+(?:\s*+\*)++)"
)
_MEMBER = (
    rb"(?P<member>(?P<comma>\s*+,\s*+)(?P<path>[A-Za-z_](?:\w|\.|->)*+)(?:\[[^][,]*+\]|\.\w++|->\w++)*+\s*+(?=\)))?"
)

_ANNOTATIONS = rb"""init|initdata|initconst|init_or_module|initdata_or_module|initconst_or_module|exit|exitdata
|meminit|meminitdata|cpuinit|cpuinitdata|devinit|devinitdata|devexit|ref|refdata|refconst|net_init|net_exit
|net_initdata|net_exitdata|sched|kprobes|user|kernel|iomem|percpu|rcu|force|bitwise|nocast|private|safe|packed
|maybe_unused|always_unused|unused|must_check|always_inline|noreturn|cold|hot|pure|attribute_const__|const|malloc
|used|weak|visible|deprecated|read_mostly|ro_after_init|randomize_layout|no_randomize_layout|designated_init
|nonstring|noclone|latent_entropy|irq_entry|softirq_entry|exception_irq_entry|lockfunc|cpuidle|nocfi|noscs|flatten
|no_kcsan|no_kasan_or_inline|no_sanitize_or_inline|no_kmsan_checks|no_sanitize_\w++|no_stack_protector|no_profile
|naked|bpf_kfunc|bpf_hook|page_aligned_data|page_aligned_bss|cacheline_aligned|cacheline_aligned_in_smp
|nosavedata|uninitialized|initmv|ksym|kptr|kptr_untrusted|kconfig|ALIGNED__|weak_alias|arena""".replace(b"\n", b"")

_TYPE_ARGUMENTS = Rule(
    (b"(",),
    re.compile(rb"(?P<opening>[(,]\s*+)(?P<type>" + _TYPE + rb")(?=\s*+[,)])" + _MEMBER),
    _rewrite_type,
    "macros take types as arguments, as in `min_t(unsigned int, a, b)`, and some also take the name of a member "
    "after the type of a structure, as in `container_of(pointer, struct type, member)`",
)

RULES = (
    Rule(
        (b"__",),
        re.compile(rb"\b__(?:" + _ANNOTATIONS + rb")\b(?!\s*+\()"),
        _blank_match,
        "annotations such as __init, __user and __packed expand to attributes or to nothing",
    ),
    Rule(
        (b"__",),
        re.compile(
            rb"\b__(?:aligned|free|cleanup|acquires|releases|acquire|release|must_hold|attribute__|attribute|section"
            rb"|counted_by|counted_by_le|counted_by_be|printf|scanf|cond_lock|cond_acquires|alloc_size|realloc_size"
            rb"|assume_aligned|bpf_kfunc_\w++|guarded_by|nonnull|diag\w*+|copy)\s*+" + _ARGUMENTS
        ),
        _blank_match,
        "the grammar does not allow attributes with arguments at these positions",
    ),
    Rule(
        (b"PER_CPU",),
        re.compile(
            rb"\b(?P<before>(?:DEFINE|DECLARE)_\w{0,20}PER_CPU\w*+\s*+\([^(),;{}]++,\s*+)"
            rb"(?P<name>\w++(?:\[[^][]*+\])*+)\s*+\)"
        ),
        _rewrite_per_cpu_variable,
        "these macros declare a variable, which may have an initializer",
    ),
    Rule(
        (b"static",),
        re.compile(
            rb"static\s++(?=(?:DEFINE|DECLARE|LIST_HEAD|HLIST_HEAD|BLOCKING|ATOMIC|RAW|SRCU|DEVICE|CLASS)\w*+\s*+\()"
            rb"|static\s++(?:const\s++)?(?=[A-Z_][A-Z0-9_]{2,}+\s*+" + _ARGUMENTS + rb"\s*+(?:[;={]|\Z))"
        ),
        _blank_match,
        "a macro that declares a name parses as a call only if nothing precedes it",
    ),
    Rule(
        (b"SEC(",),
        re.compile(rb"\bSEC\s*+\([^();{}]*+\)"),
        _blank_match,
        "the macro of BPF programs that names a section",
    ),
    Rule(
        (b"__",),
        re.compile(rb"^__\w++(?:\s*+" + _ARGUMENTS + rb")?(?:[ \t]++__\w++(?:\s*+" + _ARGUMENTS + rb")?)*+[ \t]*+(?=\n\s*+[A-Za-z_])", re.MULTILINE),
        _blank_match,
        "lines of annotations precede the test programs of BPF",
    ),
    Rule(
        (b"MACHINE_START",),
        re.compile(rb"\b\w{0,20}MACHINE_START\s*+" + _ARGUMENTS + rb"[^;{}]*?\bMACHINE_END\b"),
        _blank_match,
        "these macros enclose the members of a structure",
    ),
    Rule(
        (b"define_machine",),
        re.compile(rb"\bdefine_machine\s*+\(\w++\)(?=\s*+\{)"),
        _declare_structure,
        "this macro declares a structure",
    ),
    Rule(
        (b"INDIRECT_CALLABLE_DECLARE",),
        re.compile(rb"\bINDIRECT_CALLABLE_DECLARE\s*+" + _ARGUMENTS + rb"\s*+;"),
        _blank_match,
        "the argument of this macro is a declaration",
    ),
    Rule(
        (b"asm",),
        re.compile(rb'(?<=[\w)\]])\s++(?:__)?asm(?:__)?\s*+\([\w\s]*+"[^();]*+\)(?=\s*+[=;,])'),
        _blank_match,
        "the grammar does not allow the register of a variable at this position",
    ),
    Rule(
        (b"(",),
        re.compile(rb"(?<=[(,])\s*+(?P<name>\d\w*[g-km-tv-wyzG-KM-TV-WYZ_]\w*+)(?=\s*+[,)])"),
        _replace_name_by(b"0"),
        "macros paste arguments that begin with a digit and are no numbers",
    ),
    Rule(
        (b"__imm", b"__clobber", b"__asmeq"),
        re.compile(rb"\b(?:__imm\w*+|__asmeq)\s*+" + _ARGUMENTS + rb"\s*+,?|\b__clobber\w*+\s*+,?"),
        _blank_match,
        "macros expand to operands of assembler code",
    ),
    Rule(
        (b"FW_", b"HW_ERR", b"DEPRECATED"),
        re.compile(rb"\b(?:FW_(?:BUG|WARN|INFO)|HW_ERR|DEPRECATED)(?=\s++[\w\"])"),
        _blank_match,
        "as for KERN_INFO",
    ),
    Rule(
        (b"typeof",),
        re.compile(
            rb"\b(?:__)?typeof(?:__|_unqual)?\s*+" + _ARGUMENTS + rb"(?=(?:\s++|\s*+\*[\s*]*+)[A-Za-z_]\w*+\s*+[=;,\[])"
        ),
        _rewrite_type_of,
        "before a `*` and a name, this parses as a call and a product",
    ),
    Rule(
        (b"&&",),
        re.compile(rb"(?:[=,({\[?:-]|\breturn\b)\s*+(?P<address>&&\s*+[A-Za-z_]\w*+)"),
        _replace_by_zero,
        "the grammar lacks the addresses of labels of GNU C, which are read before, by `find_label_addresses`",
    ),
    Rule(
        (b"goto",),
        re.compile(rb"\bgoto(?=\s*+\*)"),
        _blank_match,
        "the grammar lacks the computed jumps of GNU C",
    ),
    Rule(
        (b" :", b"\t:"),
        re.compile(rb"(?P<type>[;{]\s*+(?:const\s++)?" + _BASIC + rb"(?:\s++" + _BASIC + rb")*+\s*+)(?P<width>:\s*+\w++)(?=\s*+;)"),
        _name_bit_field,
        "the grammar lacks bit-fields without a name",
    ),
    Rule(
        (b"auto",),
        re.compile(rb"\bauto(?=\s++\w++\s*+=)"),
        _rewrite_automatic_type,
        "the grammar lacks types that are inferred",
    ),
    Rule(
        (b"...",),
        re.compile(rb"(?<=[\w)'\]])\s*+\.\.\.(?=\s*+[^\s,)])"),
        _write_sum,
        "the grammar lacks the ranges of GNU C, such as `case 1 ... 9`",
    ),
    Rule(
        (b"KERN_",),
        re.compile(rb"KERN_[A-Z]++(?=\s)"),
        _blank_match,
        'the grammar allows one macro among concatenated strings, but not two: `KERN_INFO NAME ": text"`',
    ),
    Rule(
        (b"asm_",),
        re.compile(rb"\b(?P<name>asm_inline|asm_volatile_goto|asm_goto_output)\b"),
        _replace_name_by(b"asm"),
        "the kernel has its own names for asm",
    ),
)
"""Rules for whole units."""

TOP_LEVEL_RULES = (
    _TYPE_ARGUMENTS,
    Rule(
        (b"(",),
        re.compile(rb"^[A-Za-z_]\w*+\s*+" + _ARGUMENTS + rb"[ \t]*+(?=\n\s*+(?:[A-Za-z_]|\Z))", re.MULTILINE),
        _blank_match,
        "a macro of the top level may lack its semicolon",
    ),
    Rule(
        (b"__",),
        re.compile(rb"(?<=\))\s++__\w++(?=\s*+;)"),
        _blank_match,
        "an annotation after the parameters of a prototype",
    ),
)
"""Rules for units without a brace."""

HEAD_RULES = (
    Rule(
        (b"n", b"STATIC", b"FORCE_INLINE"),
        re.compile(
            rb"\b(?:\w{0,40}noinline\w*+|asmlinkage|notrace|noinstr|nokprobe_inline|inline_for_\w++|_{3,4}cacheline\w*+"
            rb"|INDIRECT_CALLABLE_SCOPE|fastcall|STATIC|FORCE_INLINE|FORCE_INLINE_TEMPLATE|ZSTDLIB_API|MEM_STATIC)\b"
        ),
        _blank_match,
        "annotations before a type parse as another type",
    ),
    Rule(
        (b"(",),
        re.compile(rb"\A\s*+(?:static\s++)?(?P<name>[A-Z][A-Z0-9_]{5,}+)(?=\s*+" + _ARGUMENTS + rb"\s*+\Z)"),
        _replace_name_by(b"int x"),
        "macros such as `SYSCALL_DEFINE3(name, type, parameter, …)` define functions without a type before the name",
    ),
)
"""Rules for the part of a unit before its first `{`."""

MEMBER_RULES = (
    Rule(
        (b"(",),
        re.compile(rb"(?<=[;{])(?P<space>\s*+)(?P<name>(?:[A-Z_][A-Z0-9_]++|__\w++)\s*+" + _ARGUMENTS + rb")(?=\s*+;)"),
        _write_member,
        "macros declare members of a structure",
    ),
    Rule(
        (b";",),
        re.compile(rb"(?<=;)\s*+;"),
        _blank_match,
        "the grammar does not allow an empty member",
    ),
)
"""Rules for the body of a structure or union, whose unit begins with it."""

BODY_RULES = (
    Rule(
        (b")\n",),
        re.compile(rb"(?<=[;{},])(?P<space>\s*+)(?P<name>[A-Z][A-Z0-9_]++\s*+" + _ARGUMENTS + rb")[ \t]*+(?=\n\s*+[.}A-Za-z])"),
        _blank_match,
        "a macro may lack the comma or semicolon after it",
    ),
    Rule(
        (b"_scoped(",),
        re.compile(
            rb"\b(?P<head>\w{0,40}for_each_\w{0,40}_scoped\()(?P<over>[^(),;{}]++),[ \n](?P<variable>\s*+\w++\s*+)\)"
        ),
        _rewrite_declaring_loop,
        "these loop macros declare their variable",
    ),
    Rule(
        (b"each_entry",),
        re.compile(
            rb"\b(?!idr_|xa_|radix_)(?P<name>\w{0,40}for_each_entry\w*+)(?P<arguments>\s*+\((?:[^(),;{}]++|"
            + _ARGUMENTS
            + rb"|,(?!\s*+[\w.]++\s*+\)))*+)"
            rb"(?P<member>,\s*+[\w.]++\s*+)(?=\))"
        ),
        _rewrite_list_loop,
        "the last argument of a loop over a list of structures names a member",
    ),
    Rule(
        (b"_size(", b"_entry(", b"dma_unmap_", b"from_timer(", b"from_tasklet("),
        re.compile(
            rb"\b(?:(?:struct_size|flex_array_size|list_next_entry|list_prev_entry|dma_unmap_\w++)\((?:[^(),;{}]++|"
            + _ARGUMENTS
            + rb")++,\s*+|(?:from_timer|from_tasklet)\([^(),;{}]++,[^(),;{}]++,\s*+)"
            rb"(?P<name>[A-Za-z_][\w.]*+)(?=\s*+[,)])"
        ),
        _replace_name_by(b"0"),
        "these macros take an object and the name of one of its members",
    ),
    Rule(
        (b"each", b"_all_", b"_walk", b"scoped_", b"_threads", b"with_intel"),
        re.compile(
            rb"\b(?P<name>\w{0,40}(?:for_?each|for_all_|_walk|for_other_threads|with_intel_)\w{0,40}+|scoped_\w++)"
            rb"(?=\s*+\()(?!\s*+" + _ARGUMENTS + rb"\s*+;)"
        ),
        _replace_name_by(b"while"),
        "loop macros are followed by a statement",
    ),
    Rule(
        (b") {",),
        re.compile(
            rb"\n[ \t]++(?!(?:while|switch)\b)(?P<name>\w{5,}+)"
            rb"(?=\s*+\((?:[^(){};]++|\((?:[^(){};]++|\([^(){};]*+\))*+\))*+\) \{)"
        ),
        _replace_name_by(b"while"),
        "any other call before a block is also a loop macro",
    ),
    _TYPE_ARGUMENTS,
    Rule(
        (b"offsetof",),
        re.compile(rb"(?P<name>offsetof)(?=\s*+\()"),
        _replace_name_by(b"offsetxx"),
        "the grammar has a special case for `offsetof`, which the arguments that the rule above returns do not match",
    ),
)
"""Rules for the part of a unit from its first `{` to its end."""


def rewrite(code: bytes) -> bytes:
    """Apply all rules to the compiled code of one unit. The length and the positions of line breaks do not change."""
    code = _apply(RULES, code)
    body = code.find(b"{")
    if body < 0:
        return _apply(TOP_LEVEL_RULES, code)
    head, tail = code[:body], code[body:]
    if _STRUCTURE.search(head):
        tail = _apply(MEMBER_RULES, tail)
    return _apply(HEAD_RULES, head) + _apply(BODY_RULES, tail)


def find_label_addresses(code: bytes) -> Iterator[tuple[int, int]]:
    """Yield the start and the end of each label whose address is taken in compiled code, as in `&&label`."""
    if b"&&" in code:
        for match in _LABEL_ADDRESS.finditer(code):
            yield match.span("name")


def _apply(rules: Sequence[Rule], code: bytes) -> bytes:
    for rule in rules:
        if any(hint in code for hint in rule.hints):
            code = rule.pattern.sub(rule.replacement, code)
    return code
