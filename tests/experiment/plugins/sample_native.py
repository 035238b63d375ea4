"""A plugin that cannot be imported."""

raise ImportError("no compiler was found")
