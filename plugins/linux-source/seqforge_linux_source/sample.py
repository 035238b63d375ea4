"""The sample that comes with the plugin, for machines without Linux source."""

from pathlib import Path

from seqforge_linux_source.tree import Tree

SAMPLE_ROOT = Path(__file__).parent / "sample"


def sample(looked_at: str) -> Tree:
    """Make a source of the kernel-style C in `sample/`, which was written for this plugin and is not Linux.

    Args:
        looked_at: Where Linux source was sought in vain.
    """
    return Tree(
        SAMPLE_ROOT,
        "",
        f"No Linux source found, so this is NOT Linux: a small sample of kernel-style C that comes with the plugin. "
        f'Looked at: {looked_at}. `apt-get install linux-source`, or `source = "download"`, brings the real one.',
    )
