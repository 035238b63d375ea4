"""A metric of errors in code of several languages, and a corpus of Python. This module does not import torch."""

from seqforge.registry import Register, hookimpl

SEQFORGE_API = 1


@hookimpl
def seqforge_register(register: Register) -> None:
    """Register the name and the location of every component."""
    register.add("metric", "code-syntax", "seqforge_code_syntax.metric:CodeSyntax")
    register.add("corpus", "python-library", "seqforge_code_syntax.library:PythonLibrary")
