"""A metric of errors in code of several languages, and a corpus of Python. This module does not import torch."""

SEQFORGE_API = 1

COMPONENTS = {
    "metric": {"code-syntax": "seqforge_code_syntax.metric:CodeSyntax"},
    "corpus": {"python-library": "seqforge_code_syntax.library:PythonLibrary"},
}
