"""The cell in docs/how-to/components/cell.md passes the suite."""

import re
from pathlib import Path
from typing import Any, ClassVar

from seqforge.testing import CellSuite

PAGE = Path(__file__).parents[2] / "docs/how-to/components/cell.md"
(SOURCE,) = re.findall(r'^```python title="mgu.py"\n(.*?)^```$', PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
NAMES: dict[str, Any] = {"__name__": "mgu"}
exec(compile(SOURCE, "mgu.py", "exec"), NAMES)


class TestMGU(CellSuite):
    cells: ClassVar = {"mgu": NAMES["MGU"]}
