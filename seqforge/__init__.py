"""seqforge composes sequence models from plugins, trains them, samples them, and judges what they write."""

from importlib.metadata import version

__version__ = version("seqforge-core")
