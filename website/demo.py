"""The demo on the front page: a model that comes with seqforge writes in the browser of the reader."""

import re
from pathlib import Path

from seqforge import Run, SeqforgeError, export_format

MODEL = "linux-small"

_BLOCK = re.compile(r'<details class="seqforge-demo".*?</details>', re.DOTALL)


def add_demo(site: Path) -> str | None:
    """Export the model into `demo/` of a built site, or remove the demo from its front page if that fails.

    Returns:
        Why there is no demo, or None.
    """
    try:
        export_format(Run.open(MODEL), site / "demo", "web")
    except SeqforgeError as error:
        page = site / "index.html"
        page.write_text(_BLOCK.sub("", page.read_text("utf-8")), "utf-8")
        return str(error)
    return None
