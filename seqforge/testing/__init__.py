"""Conformance suites for plugin authors, one module for each kind. `seqforge plugins check` and pytest run them."""
