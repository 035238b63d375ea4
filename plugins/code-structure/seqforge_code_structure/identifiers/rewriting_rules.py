"""The rules that rewrite C of the Linux kernel so that a C parser accepts it."""

from collections.abc import Callable
from typing import NamedTuple

from seqforge_code_structure.identifiers.replacements import (
    Match,
    blank_match,
    declare_structure,
    define_function,
    define_structure,
    name_bit_field,
    replace_by_zero,
    replace_name_by,
    rewrite_automatic_type,
    rewrite_declaring_loop,
    rewrite_list_loop,
    rewrite_per_cpu_variable,
    rewrite_type,
    rewrite_type_of,
    write_member,
    write_sum,
    write_zero,
)


class Rule(NamedTuple):
    """A rule of the rewriting.

    Attributes:
        hints: Byte strings. Code that contains none of them is not searched for the pattern, to save time.
        pattern: Regular expression of the code to replace, in which `^` is the start of a line. It is compiled when
            code contains one of the hints, so that the command starts quickly.
        replacement: Function that returns the replacement of a match.
        reason: Reason for the rule.
    """

    hints: tuple[bytes, ...]
    pattern: bytes
    replacement: Callable[[Match], bytes]
    reason: str


_ARGUMENTS = rb"\((?:[^()]++|\((?:[^()]++|\((?:[^()]++|\([^()]*+\))*+\))*+\))*+\)"
"""Balanced brackets, nested up to four deep."""

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
|nosavedata|uninitialized|initmv|ksym|kptr|kptr_untrusted|kconfig|percpu_kptr|lock_aligned|init_memblock|ALIGNED__|weak_alias|arena""".replace(b"\n", b"")

_TYPE_ARGUMENTS = Rule(
    (b"(",),
    rb"(?P<opening>[(,]\s*+)(?P<type>" + _TYPE + rb")(?=\s*+[,)])" + _MEMBER,
    rewrite_type,
    "macros take types as arguments, as in `min_t(unsigned int, a, b)`, and some also take the name of a member "
    "after the type of a structure, as in `container_of(pointer, struct type, member)`",
)

RULES = (
    Rule(
        (b"__",),
        rb"\b__(?:" + _ANNOTATIONS + rb")\b(?!\s*+\()",
        blank_match,
        "annotations such as __init, __user and __packed expand to attributes or to nothing",
    ),
    Rule(
        (b"__",),
        (
            rb"\b__(?:aligned|free|cleanup|acquires|releases|acquire|release|must_hold|attribute__|attribute|section"
            rb"|counted_by|counted_by_le|counted_by_be|printf|scanf|cond_lock|cond_acquires|alloc_size|realloc_size"
            rb"|alias|assume_aligned|bpf_kfunc_\w++|guarded_by|nonnull|diag\w*+|copy)\s*+" + _ARGUMENTS
        ),
        blank_match,
        "the grammar does not allow attributes with arguments at these positions",
    ),
    Rule(
        (b"PER_CPU",),
        (
            rb"\b(?P<before>(?:DEFINE|DECLARE)_\w{0,20}PER_CPU\w*+\s*+\([^(),;{}]++,\s*+)"
            rb"(?P<name>\w++(?:\[[^][]*+\])*+)\s*+\)"
        ),
        rewrite_per_cpu_variable,
        "these macros declare a variable, which may have an initializer",
    ),
    Rule(
        (b"static",),
        (
            rb"static\s++(?=(?:DEFINE|DECLARE|LIST_HEAD|HLIST_HEAD|BLOCKING|ATOMIC|RAW|SRCU|DEVICE|CLASS)\w*+\s*+\()"
            rb"|static\s++(?:const\s++)?(?=[A-Z_][A-Z0-9_]{2,}+\s*+" + _ARGUMENTS + rb"\s*+(?:[;={]|\Z))"
        ),
        blank_match,
        "a macro that declares a name parses as a call only if nothing precedes it",
    ),
    Rule(
        (b"SEC(",),
        rb"\bSEC\s*+\([^();{}]*+\)",
        blank_match,
        "the macro of BPF programs that names a section",
    ),
    Rule(
        (b"__",),
        rb"^__\w++(?:\s*+"
        + _ARGUMENTS
        + rb")?(?:[ \t]++__\w++(?:\s*+"
        + _ARGUMENTS
        + rb")?)*+[ \t]*+(?=\n\s*+[A-Za-z_])",
        blank_match,
        "lines of annotations precede the test programs of BPF",
    ),
    Rule(
        (b"MACHINE_START",),
        rb"\b\w{0,20}MACHINE_START\s*+" + _ARGUMENTS + rb"[^;{}]*?\bMACHINE_END\b",
        blank_match,
        "these macros enclose the members of a structure",
    ),
    Rule(
        (b"define_machine",),
        rb"\bdefine_machine\s*+\(\w++\)(?=\s*+\{)",
        declare_structure,
        "this macro declares a structure",
    ),
    Rule(
        (b"INDIRECT_CALLABLE_DECLARE",),
        rb"\bINDIRECT_CALLABLE_DECLARE\s*+" + _ARGUMENTS + rb"\s*+;",
        blank_match,
        "the argument of this macro is a declaration",
    ),
    Rule(
        (b"asm",),
        rb'(?<=[\w)\]])\s++(?:__)?asm(?:__)?\s*+\([\w\s]*+"[^();]*+\)(?=\s*+[=;,])',
        blank_match,
        "the grammar does not allow the register of a variable at this position",
    ),
    Rule(
        (b"(",),
        rb"(?<=[(,])\s*+(?P<name>\d\w*[g-km-tv-wyzG-KM-TV-WYZ_]\w*+)(?=\s*+[,)])",
        replace_name_by(b"0"),
        "macros paste arguments that begin with a digit and are no numbers",
    ),
    Rule(
        (b"__imm", b"__clobber", b"__asmeq"),
        rb"\b(?:__imm\w*+|__asmeq)\s*+" + _ARGUMENTS + rb"\s*+,?|\b__clobber\w*+\s*+,?",
        blank_match,
        "macros expand to operands of assembler code",
    ),
    Rule(
        (b'"',),
        rb'(?<=")\s*+[A-Za-z_]\w*+' + _ARGUMENTS + rb'(?=\s*+[",)])',
        blank_match,
        "the grammar does not allow calls of macros among concatenated strings",
    ),
    Rule(
        (b"___cacheline",),
        rb"\b_{3,4}cacheline\w*+",
        blank_match,
        "an annotation",
    ),
    Rule(
        (b"return",),
        rb"(?<=[(,])(\s*+)return(?=\s++-?\w++\s*+,)",
        blank_match,
        "an argument of a macro that declares a scope is a statement",
    ),
    Rule(
        (b"==", b"!=", b"<", b">"),
        rb"(?<=,)\s*+(?:[=!<>]=|<|>)(?=\s*+,)",
        write_zero,
        "an argument of a macro is an operator",
    ),
    Rule(
        (b"OPTS(",),
        rb",(?=\s*+\)\s*+;)",
        blank_match,
        "the arguments of this macro may end with a comma",
    ),
    Rule(
        (b"return", b"goto"),
        rb"(?<=,)\s*+(?:return|goto)\b[^(){},;]*+;?(?=\s*+\))",
        write_zero,
        "the last argument of a macro is a statement",
    ),
    Rule(
        (b"offsetof",),
        rb"\boffsetof\s*+\([\w\s*]++,\s*+(?P<name>[A-Za-z_]\w*+)",
        replace_name_by(b"0"),
        "the second argument names a member",
    ),
    Rule(
        (b"OPTS(",),
        rb"(?<=[(,])\s*+\.\w++\s*+=(?!=)",
        blank_match,
        "the arguments of a macro are the members of an initializer",
    ),
    Rule(
        (b"FW_", b"HW_ERR", b"DEPRECATED"),
        rb"\b(?:FW_(?:BUG|WARN|INFO)|HW_ERR|DEPRECATED)(?=\s++[\w\"])",
        blank_match,
        "as for KERN_INFO",
    ),
    Rule(
        (b"typeof",),
        rb"\b(?:__)?typeof(?:__|_unqual)?\s*+" + _ARGUMENTS + rb"(?=(?:\s++|\s*+\*[\s*]*+)[A-Za-z_]\w*+\s*+[=;,\[]|[\s*]*+\))",
        rewrite_type_of,
        "before a `*` and a name, this parses as a call and a product",
    ),
    Rule(
        (b"&&",),
        rb"(?:[=,({\[?:-]|\breturn\b)\s*+(?P<address>&&\s*+[A-Za-z_]\w*+)",
        replace_by_zero,
        "the grammar lacks the addresses of labels of GNU C, which are read before, by `find_label_addresses`",
    ),
    Rule(
        (b"goto",),
        rb"\bgoto(?=\s*+\*)",
        blank_match,
        "the grammar lacks the computed jumps of GNU C",
    ),
    Rule(
        (b" :", b"\t:", b"int:", b"long:", b"short:", b"char:"),
        rb"(?P<type>[;{]\s*+(?:const\s++)?" + _BASIC + rb"(?:\s++" + _BASIC + rb")*+\s*+)(?P<width>:\s*+\w++)(?=\s*+;)",
        name_bit_field,
        "the grammar lacks bit-fields without a name",
    ),
    Rule(
        (b"auto",),
        rb"\bauto(?=\s++\w++\s*+=)",
        rewrite_automatic_type,
        "the grammar lacks types that are inferred",
    ),
    Rule(
        (b"...",),
        rb"(?<=[\w)'\]])\s*+\.\.\.(?=\s*+[^\s,)])",
        write_sum,
        "the grammar lacks the ranges of GNU C, such as `case 1 ... 9`",
    ),
    Rule(
        (b"KERN_",),
        rb"KERN_[A-Z]++(?=\s)",
        blank_match,
        'the grammar allows one macro among concatenated strings, but not two: `KERN_INFO NAME ": text"`',
    ),
    Rule(
        (b"asm_",),
        rb"\b(?P<name>asm_inline|asm_volatile_goto|asm_goto_output)\b",
        replace_name_by(b"asm"),
        "the kernel has its own names for asm",
    ),
)
"""Rules for whole units."""

_HEAD_ANNOTATIONS = Rule(
    (b"n", b"STATIC", b"FORCE_INLINE"),
    (
        rb"\b(?:\w{0,40}noinline\w*+|asmlinkage|notrace|noinstr|nokprobe_inline|inline_for_\w++|_{3,4}cacheline\w*+"
        rb"|INDIRECT_CALLABLE_SCOPE|fastcall|STATIC|FORCE_INLINE|FORCE_INLINE_TEMPLATE|ZSTDLIB_API|MEM_STATIC)\b"
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
        rb"^[A-Za-z_]\w*+\s*+" + _ARGUMENTS + rb"[ \t]*+(?=\n\s*+(?:[A-Za-z_]|\Z))",
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
        blank_match,
        "annotations before a type parse as another type",
    ),
    Rule(
        (b"\n",),
        rb"^[A-Z][A-Z0-9_]++\s*+" + _ARGUMENTS + rb"[ \t]*+(?=\n\s*+[A-Za-z_])",
        blank_match,
        "a macro of the top level may lack its semicolon",
    ),
    Rule(
        (b"FIXTURE",),
        rb"\bFIXTURE_VARIANT_ADD\s*+" + _ARGUMENTS + rb"\s*+\Z",
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
        rb"\bTEST_F_TIMEOUT\s*+" + _ARGUMENTS + rb"\s*+\Z",
        define_function,
        "a macro of the test harness defines a function",
    ),
    Rule(
        (b"(",),
        rb"\A\s*+(?:static\s++)?(?P<name>[A-Z][A-Z0-9_]{5,}+)(?=\s*+" + _ARGUMENTS + rb"\s*+\Z)",
        replace_name_by(b"int x"),
        "macros such as `SYSCALL_DEFINE3(name, type, parameter, …)` define functions without a type before the name",
    ),
)
"""Rules for the part of a unit before its first `{`."""

MEMBER_RULES = (
    Rule(
        (b"(",),
        rb"(?<=[;{])(?P<space>\s*+)(?P<name>(?:[A-Z_][A-Z0-9_]++|__\w++)\s*+" + _ARGUMENTS + rb")(?=\s*+;)",
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
        rb"(?<=[;{},])(?P<space>\s*+)(?P<name>[A-Z][A-Z0-9_]++\s*+" + _ARGUMENTS + rb")[ \t]*+(?=\n\s*+[.}A-Za-z])",
        blank_match,
        "a macro may lack the comma or semicolon after it",
    ),
    Rule(
        (b"_scoped(",),
        rb"\b(?P<head>\w{0,40}for_each_\w{0,40}_scoped\()(?P<over>[^(),;{}]++),[ \n](?P<variable>\s*+\w++\s*+)\)",
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
        + _ARGUMENTS
        + rb")++,(?:[^(),;{}]++|"
        + _ARGUMENTS
        + rb")++,\s*+(?P<name>[\w.]++)(?=\s*+,)",
        replace_name_by(b"0"),
        "a condition follows the name of the member",
    ),
    Rule(
        (b"each_entry",),
        (
            rb"\b(?!idr_|xa_|radix_)(?P<name>\w{0,40}for_each_entry\w*+)(?P<arguments>\s*+\((?:[^(),;{}]++|"
            + _ARGUMENTS
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
            + _ARGUMENTS
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
            rb"(?=\s*+\()(?!\s*+" + _ARGUMENTS + rb"\s*+;)"
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
