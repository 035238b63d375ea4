"""Rules that rewrite whole units of C of the Linux kernel so that a C parser accepts them."""

from seqforge_code_structure.identifiers.replacements import (
    blank_match,
    declare_structure,
    name_bit_field,
    replace_by_zero,
    replace_name_by,
    rewrite_automatic_type,
    rewrite_per_cpu_variable,
    rewrite_type_of,
    write_sum,
    write_zero,
)
from seqforge_code_structure.identifiers.rule import ARGUMENTS, BASIC, Rule

_ANNOTATIONS = rb"""init|initdata|initconst|init_or_module|initdata_or_module|initconst_or_module|exit|exitdata
|meminit|meminitdata|cpuinit|cpuinitdata|devinit|devinitdata|devexit|ref|refdata|refconst|net_init|net_exit
|net_initdata|net_exitdata|sched|kprobes|user|kernel|iomem|percpu|rcu|force|bitwise|nocast|private|safe|packed
|maybe_unused|always_unused|unused|must_check|always_inline|noreturn|cold|hot|pure|attribute_const__|const|malloc
|used|weak|visible|deprecated|read_mostly|ro_after_init|randomize_layout|no_randomize_layout|designated_init
|nonstring|noclone|latent_entropy|irq_entry|softirq_entry|exception_irq_entry|lockfunc|cpuidle|nocfi|noscs|flatten
|no_kcsan|no_kasan_or_inline|no_sanitize_or_inline|no_kmsan_checks|no_sanitize_\w++|no_stack_protector|no_profile
|naked|bpf_kfunc|bpf_hook|page_aligned_data|page_aligned_bss|cacheline_aligned|cacheline_aligned_in_smp
|nosavedata|uninitialized|initmv|ksym|kptr|kptr_untrusted|kconfig
|percpu_kptr|lock_aligned|init_memblock|ALIGNED__|weak_alias|arena""".replace(b"\n", b"")

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
            rb"|alias|assume_aligned|bpf_kfunc_\w++|guarded_by|nonnull|diag\w*+|copy)\s*+" + ARGUMENTS
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
            rb"|static\s++(?:const\s++)?(?=[A-Z_][A-Z0-9_]{2,}+\s*+" + ARGUMENTS + rb"\s*+(?:[;={]|\Z))"
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
        + ARGUMENTS
        + rb")?(?:[ \t]++__\w++(?:\s*+"
        + ARGUMENTS
        + rb")?)*+[ \t]*+(?=\n\s*+[A-Za-z_])",
        blank_match,
        "lines of annotations precede the test programs of BPF",
    ),
    Rule(
        (b"MACHINE_START",),
        rb"\b\w{0,20}MACHINE_START\s*+" + ARGUMENTS + rb"[^;{}]*?\bMACHINE_END\b",
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
        rb"\bINDIRECT_CALLABLE_DECLARE\s*+" + ARGUMENTS + rb"\s*+;",
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
        rb"\b(?:__imm\w*+|__asmeq)\s*+" + ARGUMENTS + rb"\s*+,?|\b__clobber\w*+\s*+,?",
        blank_match,
        "macros expand to operands of assembler code",
    ),
    Rule(
        (b'"',),
        rb'(?<=")\s*+[A-Za-z_]\w*+' + ARGUMENTS + rb'(?=\s*+[",)])',
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
        rb"\b(?:__)?typeof(?:__|_unqual)?\s*+"
        + ARGUMENTS
        + rb"(?=(?:\s++|\s*+\*[\s*]*+)[A-Za-z_]\w*+\s*+[=;,\[]|[\s*]*+\))",
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
        rb"(?P<type>[;{]\s*+(?:const\s++)?" + BASIC + rb"(?:\s++" + BASIC + rb")*+\s*+)(?P<width>:\s*+\w++)(?=\s*+;)",
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
