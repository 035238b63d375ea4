"""Write the generated pages, build the site with zensical, and check it."""

import argparse
import subprocess
import sys

from website import DOCS, ROOT, SITE
from website.check import check_site
from website.commands import command_pages
from website.components import component_pages
from website.contents import write_contents
from website.demo import add_demo
from website.search import arrange_search


def write_generated_pages() -> None:
    """Write the pages about components and commands into `docs/`, where git ignores them."""
    for name, content in {**component_pages(), **command_pages()}.items():
        page = DOCS / name
        page.parent.mkdir(exist_ok=True)
        if not page.exists() or page.read_text("utf-8") != content:
            page.write_text(content, "utf-8")


def build_site() -> None:
    """Build the site into `site/`. A broken link is an error."""
    subprocess.run([sys.executable, "-m", "zensical", "build", "--clean", "--strict"], cwd=ROOT, check=True)
    write_contents(SITE)
    arrange_search(SITE)


def main() -> int:
    """Build and check the site, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m website", description="Build the documentation site into site/.")
    parser.add_argument("--pages", action="store_true", help="Write only the generated pages, for `zensical serve`.")
    arguments = parser.parse_args()
    write_generated_pages()
    if arguments.pages:
        return 0
    build_site()
    if reason := add_demo(SITE):
        print(f"The front page has no demo: {reason}", file=sys.stderr)
    problems, summary = check_site(SITE)
    for problem in problems:
        print(f"website: {problem}", file=sys.stderr)
    print(summary)
    print(f"Open {SITE / 'index.html'} in a browser, or serve the site: {sys.executable} -m http.server -d {SITE}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
