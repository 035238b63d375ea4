"""Build the documentation site: generated pages, formulas, and checks of the result. Run it as `python -m website`."""

from pathlib import Path

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
SITE = ROOT / "site"
