"""The folder of this file, from which tests import `processes`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
