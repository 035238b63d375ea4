"""Identifiers of C that a model wrote: which are used undeclared, declared unused, returned or jumped to in vain."""
