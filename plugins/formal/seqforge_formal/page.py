"""The page of a study: a table of tasks and cells, and curves of the accuracy by length."""

from collections.abc import Mapping
from pathlib import Path
from statistics import median

import jinja2

from seqforge.storage.files import reported_failures, write_atomically
from seqforge_formal.tasks import TASKS


def write_page(accuracies: Mapping[tuple[str, str, int], list[float]], path: Path) -> None:
    """Write the page of accuracies, those of `read_accuracies`.

    Raises:
        RunError: If it cannot be written.
    """
    tasks, cells, limits = (dict.fromkeys(key[part] for key in accuracies) for part in range(3))
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("seqforge_formal", ""), autoescape=True, undefined=jinja2.StrictUndefined
    )
    page = environment.get_template("page.html.jinja").render(
        accuracies=accuracies, tasks={task: TASKS[str(task)] for task in tasks}, cells=list(cells),
        limits=sorted(limits), median=median,
    )  # fmt: skip
    with reported_failures(f"writing {path}"):
        write_atomically(path, page.encode())
