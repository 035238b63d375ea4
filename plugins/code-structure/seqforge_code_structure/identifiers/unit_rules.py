"""Rules that rewrite whole units of C of the Linux kernel so that a C parser accepts them."""

from seqforge_code_structure.identifiers.rule import (
    ANNOTATION,
    ARGUMENTS,
    BASIC,
    MACRO,
    Rewrite,
    name_bit_field,
    remove_annotation,
    remove_comma,
    replace_label_address,
    rewrite_declared_variable,
)

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

_ANNOTATION = Rewrite(
    (b"__",),
    rb"__(?<!\w__)(?:" + _ANNOTATIONS + rb")\b(?!\s*+\((?!\s*+\*))",
    "annotations such as __init and __packed expand to attributes or to nothing; after `unsigned long flags`, the "
    "grammar takes one for the name of the variable",
    always=True,
)
_ANNOTATION_WITH_ARGUMENTS = Rewrite(
    (b"__",),
    rb"__(?<!\w__)(?:aligned|free|cleanup|acquires|releases|acquire|release|must_hold|attribute__|attribute|section"
    rb"|counted_by|counted_by_le|counted_by_be|printf|scanf|cond_lock|cond_acquires|alloc_size|realloc_size"
    rb"|alias|assume_aligned|bpf_kfunc_(?:start|end)_defs|guarded_by|nonnull|diag_(?:push|pop|ignore\w*+|warn|error)|copy)\s*+"
    + ARGUMENTS,
    "the grammar does not allow attributes with arguments at these positions",
)

DECLARATIONS = (
    Rewrite(
        (b"__",),
        rb"\b(?:(?:struct|union|enum)\s++\w++|"
        + BASIC
        + rb"|\*)\s++(?P<name>"
        + ANNOTATION
        + rb")(?=[\s*]++[A-Za-z_])",
        "any other annotation between a type and a name",
    ),
    Rewrite(
        (b"__",),
        rb"[\w\]]\s++(?P<name>" + ANNOTATION + rb"(?:\s*+" + ARGUMENTS + rb")?+)(?=\s*+[;=])",
        "the same after the name of a variable or member",
        remove_annotation,
    ),
    Rewrite(
        (b" *",),
        rb"\((?P<name>" + ANNOTATION + rb")(?=\s*+\*\s*+\w++\s*+\)\s*+\()",
        "the same before the name of a pointer to a function",
    ),
    Rewrite(
        (b") ",),
        rb"(?:[;{}]\s*+|^(?:static\s++)?)(?P<name>(?:" + MACRO + rb"|typeof_member)" + ARGUMENTS + rb")"
        rb"(?=[ \t]++\**+[A-Za-z_]\w*+(?:\[[^][;]*+\])*+\s*+[;=])",
        "a macro is the type of a variable",
        b"int",
    ),
    Rewrite((b"vector ",), rb"\bvector(?=\s++" + BASIC + rb")", "a keyword for vectors of the PowerPC"),
    Rewrite(
        (b"PER_CPU",),
        rb"\b(?P<before>(?:DEFINE|DECLARE)_\w{0,20}PER_CPU\w*+\s*+\([^(),;{}]++,\s*+)"
        rb"(?P<name>\w++(?:\[[^][]*+\])*+)\s*+\)",
        "these macros declare a variable, which may have an initializer",
        rewrite_declared_variable,
        always=True,
    ),
    Rewrite(
        (b"static",),
        rb"static\s++(?=(?:DEFINE|DECLARE|LIST_HEAD|HLIST_HEAD|BLOCKING|ATOMIC|RAW|SRCU|DEVICE|CLASS)\w*+\s*+\()"
        rb"|static\s++(?:const\s++)?(?=[A-Z_][A-Z0-9_]{2,}+\s*+" + ARGUMENTS + rb"\s*+(?:[;={]|\Z))",
        "a macro that declares a name parses as a call only if nothing precedes it",
        always=True,
    ),
    Rewrite((b"SEC(",), rb"SEC\s*+\([^();{}]*+\)", "the macro of BPF programs that names a section"),
    Rewrite(
        (b"\n__",),
        rb"^__(?!(?:[us]|[bl]e)\d)\w++(?:\s*+"
        + ARGUMENTS
        + rb")?(?:[ \t]++__\w++(?:\s*+"
        + ARGUMENTS
        + rb")?)*+[ \t]*+(?=\n\s*+[A-Za-z_])",
        "lines of annotations precede the test programs of BPF",
    ),
    Rewrite(
        (b"MACHINE_START",),
        rb"\b\w{0,20}MACHINE_START\s*+" + ARGUMENTS + rb"[^;{}]*?\bMACHINE_END\b",
        "these macros enclose the members of a structure",
    ),
    Rewrite(
        (b"define_machine",),
        rb"define_machine\s*+\(\w++\)(?=\s*+\{)",
        "this macro declares a structure",
        b"int x =",
    ),
    Rewrite((b"___cacheline",), rb"_{3,4}cacheline\w*+", "an annotation"),
    Rewrite(
        (b"typeof",),
        rb"\b(?:__)?typeof(?:__|_unqual)?\s*+"
        + ARGUMENTS
        + rb"(?=(?:\s++|\s*+\*[\s*]*+)[A-Za-z_]\w*+\s*+[=;,\[]|[\s*]*+\))",
        "before a `*` and a name, this parses as a call and a product",
        b"int",
        always=True,
    ),
    Rewrite(
        (b":",),
        rb":\s*+\w++(?=\s*+;)",
        "the grammar lacks bit-fields without a name",
        name_bit_field,
    ),
    Rewrite(
        (b")[",),
        rb"[;{}]\s*+\w++\s*+(?P<name>\()(?=\s*+\*\s*+\w++\)\[[^][;]*+\]\s*+[=;])",
        "the declaration of a pointer to an array parses as a call",
        b" ",
        always=True,
    ),
    Rewrite(
        (b")[",),
        rb"[;{}]\s*+\w++\s++\*\s*+\w++(?P<name>\))(?=\[[^][;]*+\]\s*+[=;])",
        "and its second bracket",
        b" ",
        always=True,
    ),
    Rewrite((b"auto",), rb"\bauto(?=\s++\w++\s*+=)", "the grammar lacks types that are inferred", b"int"),
)
"""Rules for annotations and declarations."""

ARGUMENTS_OF_MACROS = (
    Rewrite(
        (b"(",),
        rb"\d(?<=[(, \t\n]\d)(?:\w*[g-km-tv-wyzG-KM-TV-WYZ_]|(?<!0)\d*+[A-Da-d])\w*+(?=\s*+[,)])",
        "macros paste arguments that begin with a digit and are no numbers",
        b"0",
    ),
    Rewrite(
        (b"return",),
        rb"return(?:(?<=[(,]return)|(?<=[(,]\sreturn))(?=\s++-?\w++\s*+,)",
        "an argument of a macro that declares a scope is a statement",
    ),
    Rewrite(
        (b";)", b"; )"),
        rb"\b" + MACRO + rb"\s*+\((?:[^();{}]++|" + ARGUMENTS + rb")*+(?P<name>;)(?=\s*+\))",
        "the argument of a macro is a statement",
    ),
    Rewrite(
        (b"=,", b"<,", b">,", b"=)", b"<)", b">)"),
        rb",\s*+(?P<name>[=!<>]=|[<>])(?=\s*+[,)])",
        "an argument of a macro is an operator",
        b"0",
    ),
    Rewrite(
        (b"(,", b",,", b", ,", b",)", b"\t)", b"  )", b"\n)", b"*/)"),
        rb",\s*+[,)]|\(\s*+,",
        "an argument of a macro may be empty",
        remove_comma,
    ),
    Rewrite(
        (b"offsetof",),
        rb"offsetof(?<!\woffsetof)\s*+\([\w\s*]++,\s*+(?P<name>[A-Za-z_](?:[^()]++|" + ARGUMENTS + rb")*+)\)",
        "the second argument names a member",
        b"0",
    ),
    Rewrite(
        (b"OPTS(",),
        rb"[(,]\s*+(?P<name>\.\w++\s*+=(?!=))",
        "the arguments of a macro are the members of an initializer",
    ),
)
"""Rules for the arguments of macros that are no expressions."""

EXPRESSIONS = (
    Rewrite(
        (b"lignof",), rb"\b_*[aA]lignof_*+(?=\s*+[(*])", "the grammar allows only types as its argument", b"sizeof"
    ),
    Rewrite((b"__volatile",), rb"\b__volatile\b", "the grammar lacks this spelling", b"volatile"),
    Rewrite(
        (b"0 ", b"1 ", b"2 ", b"4 ", b"5 ", b"6 ", b"8 "),
        rb"\b\d\w*+[ \t](?P<name>" + MACRO + rb")(?=\s*+[-+*,;)}])",
        "a macro after a number is an operator with an operand, such as `#define KB * 1024`",
    ),
    Rewrite(
        (b"_t)",),
        rb"(?:[=(,?:!~&|<>+*/%-]|\breturn)\s*+\(\s*+(?P<name>[A-Za-z_]\w*+(?<=_t))(?=\s*+\)\s*+[*&+-]\s*+[\w(*])",
        "before an operator with one operand, the type of a cast parses as a variable",
        b"int",
        always=True,
    ),
    Rewrite(
        (b"_t)",),
        rb"sizeof\s*+\(\s*+(?P<name>\w++(?<=_t))(?=\s*+\))",
        "the name of a type parses as that of a variable",
        b"int",
        always=True,
    ),
    Rewrite(
        (b"asm",),
        rb'(?<=[\w)\]])\s++(?:__)?asm(?:__)?\s*+\([\w\s]*+"[^();]*+\)(?=\s*+[=;,])',
        "the grammar does not allow the register of a variable at this position",
    ),
    Rewrite(
        (b"__imm", b"__clobber", b"__asmeq"),
        rb"__(?:imm\w*+|asmeq)\s*+" + ARGUMENTS + rb"\s*+,?|__clobber\w*+\s*+,?",
        "macros expand to operands of assembler code",
    ),
    Rewrite(
        (b"asm",),
        rb"asm(?<![A-Za-z0-9]asm)(?<![A-Za-z0-9]_asm)(?:__)?(?:\s*+(?:__)?(?:volatile|goto|inline)(?:__)?)*+\s*+\(\s*+"
        rb'(?P<name>(?:[^():;{}"]++|"[^"]*+"|' + ARGUMENTS + rb")++)(?=[:)])",
        "the grammar does not allow macros in the code of an assembler statement",
        b'""',
    ),
    Rewrite(
        (b'"',),
        rb'"\s*+(?P<name>(?:(?:[A-Z_]{2}\w*+(?:\s*+' + ARGUMENTS + rb")?+|[A-Za-z_]\w*+" + ARGUMENTS + rb")\s*+)++)"
        rb'(?=[",);])',
        "the grammar does not allow several macros, or calls of macros, among concatenated strings",
    ),
    Rewrite(
        (b') "', b')"'),
        rb"\b(?!(?:__)?asm)" + MACRO + ARGUMENTS + rb'(?=\s*+")',
        "the same, before the first string",
    ),
    Rewrite(
        (b" ",),
        rb"[(,]\s*+(?P<name>" + MACRO + rb")(?=\s++" + MACRO + rb"\s*+[,)])",
        "the grammar does not allow two macros that are concatenated strings, either",
    ),
    Rewrite(
        (b"KERN_", b"FW_", b"HW_ERR", b"DEPRECATED"),
        rb"(?:KERN_[A-Z]++|FW_(?:BUG|WARN|INFO)|HW_ERR|DEPRECATED)(?=\s++[\w\"])",
        'the grammar allows one macro among concatenated strings, but not two: `KERN_INFO NAME ": text"`',
    ),
    Rewrite(
        (b"&&",),
        rb"&&\s*+(?P<name>[A-Za-z_]\w*+)",
        "the grammar lacks the addresses of labels of GNU C, which are read before, by `find_label_addresses`",
        replace_label_address,
    ),
    Rewrite((b"goto",), rb"\bgoto(?=\s*+\*)", "the grammar lacks the computed jumps of GNU C"),
    Rewrite(
        (b"...",),
        rb"\.\.\.(?=\s*+[^\s,).])",
        "the grammar lacks the ranges of GNU C, such as `case 1 ... 9`",
        b"+",
    ),
)
"""Rules for expressions and statements."""

RULES = (
    _ANNOTATION,
    _ANNOTATION_WITH_ARGUMENTS,
    *DECLARATIONS,
    *ARGUMENTS_OF_MACROS,
    *EXPRESSIONS,
)
"""Rules for whole units."""
