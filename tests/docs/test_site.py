"""The site builds, its links work, and a browser shows every page without errors and without other servers."""

import json
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("zensical", reason="needs the documentation tools: pip install -e '.[docs]'")
from website.commands import command_pages
from website.maths import to_mathml

ROOT = Path(__file__).parents[2]
FEWEST_PAGES, FEWEST_ANCHORS = 55, 3000


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the site in a copy of the sources, since another process may build it too."""
    folder = tmp_path_factory.mktemp("site")
    for name in ("docs", "website"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "mkdocs.yml", folder)
    (folder / "plugins").symlink_to(ROOT / "plugins")
    command = [sys.executable, "-m", "website"]
    environment = {**os.environ, "SEQFORGE_REPOSITORY_URL": "https://github.com/example/seqforge"}
    result = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    words = result.stdout.split()
    assert int(words[words.index("pages,") - 1]) >= FEWEST_PAGES
    assert int(words[words.index("anchors,") - 1]) >= FEWEST_ANCHORS
    return folder / "site"


@pytest.fixture(scope="module")
def address(site: Path, serve: Callable[[Path], str]) -> str:
    return serve(site)


def test_each_line_of_an_aligned_formula_is_a_row() -> None:
    lines = r"\begin{aligned} a &amp;= b \\ c &amp;= d \end{aligned}"
    formula = to_mathml(rf'<div class="arithmatex">\[{lines}\]</div>')
    assert formula.count("<mtr>") == 2
    assert "&<" not in formula


def test_the_file_in_a_help_is_a_block_of_the_page() -> None:
    page = command_pages()["reference/commands.md"]
    block = page.split("## `seqforge sweep`")[1].split("```toml\n")[1].split("```")[0]
    assert tomllib.loads(block)["parameters"]


@pytest.mark.parametrize(("width", "scheme", "every"), [(390, "light", 1), (1280, "dark", 5)])
def test_a_browser_shows_the_pages(
    chromium: Any, site: Path, address: str, width: int, scheme: str, every: int
) -> None:
    problems: list[str] = []
    context = chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    page.on("pageerror", lambda error: problems.append(f"{page.url}: {error}"))
    page.on("console", lambda message: problems.append(f"{page.url}: {message.text}"))
    page.on("request", lambda request: request.url.startswith((address, "data:")) or problems.append(request.url))
    page.on("response", lambda response: response.status < 400 or problems.append(f"{response.url}: {response.status}"))
    for file in sorted(site.rglob("*.html"))[::every]:
        page.goto(address + file.relative_to(site).as_posix())
        if page.evaluate("document.documentElement.scrollWidth > window.innerWidth"):
            problems.append(f"{page.url} is wider than the screen")
    context.close()
    assert problems == []


def test_the_copy_button_copies_only_the_command(chromium: Any, address: str) -> None:
    context = chromium.new_context(permissions=["clipboard-read", "clipboard-write"])
    page = context.new_page()
    page.goto(f"{address}tutorials/hello.html")
    block = page.locator(".highlight", has_text="inspect runs/hello hello --checkpoint initial")
    block.hover()
    block.locator("button").click()
    copied = page.evaluate("navigator.clipboard.readText()")
    context.close()
    assert copied.strip() == "seqforge inspect runs/hello hello --checkpoint initial"


FIRST_RESULTS = {
    "custom cell": "get-started/your-cell.html",
    "early stopping": "how-to/lower-the-loss.html",
    "cuda": "how-to/device.html",
    "gpu": "how-to/device.html",
    "resume": "how-to/resume.html",
    "fine-tune": "how-to/resume.html",
    "prompt": "how-to/sample.html",
    "temperature": "how-to/sample.html",
    "sample": "how-to/sample.html",
    "batch size": "how-to/lower-the-loss.html",
    "loss": "how-to/lower-the-loss.html",
    "export": "how-to/trained-models.html",
    "notebook": "get-started/python.html",
    "save model": "how-to/trained-models.html",
    "hyperparameter": "how-to/sweeps.html",
    "stop training": "how-to/resume.html",
}
"""Words that a reader searches for, and the page that answers."""

SEARCH = """async ([address, index, queries]) => {
  const worker = new Worker(address);
  const send = message => new Promise(resolve => {
    worker.onmessage = event => resolve(event.data);
    worker.postMessage(message);
  });
  await send({type: 0, data: index});
  const found = {};
  for (const input of queries) {
    const filter = {input: {type: "operator", data: {operator: "and", operands: []}}, aggregation: {input: []}};
    const result = await send({type: 2, data: {input, filter}});
    found[input] = result.data.items.map(item => index.items[item.id].location.split("#")[0]);
  }
  return found;
}"""
"""What the search dialog does: it passes the index to a worker, and then each query."""


def test_the_search_finds_the_right_page_first(chromium: Any, site: Path, address: str) -> None:
    (worker,) = (site / "assets/javascripts/workers").glob("search.*.js")
    index = json.loads((site / "search.json").read_text("utf-8"))
    page = chromium.new_page()
    page.goto(address)
    found = page.evaluate(SEARCH, [address + worker.relative_to(site).as_posix(), index, list(FIRST_RESULTS)])
    page.close()
    assert {query: pages[:1] for query, pages in found.items()} == {
        query: [page] for query, page in FIRST_RESULTS.items()
    }


def test_the_search_has_no_test_methods_and_no_sections_of_appendices(site: Path) -> None:
    locations = [entry["location"] for entry in json.loads((site / "search.json").read_text("utf-8"))["items"]]
    assert not [location for location in locations if ".test_" in location]
    assert [location for location in locations if location.startswith("results/benchmarks")] == [
        "results/benchmarks.html"
    ]


def test_the_search_shows_an_option_of_a_command_and_no_hidden_words(chromium: Any, address: str) -> None:
    context = chromium.new_context()
    page = context.new_page()
    page.goto(address)
    page.keyboard.press("/")
    # What is typed before the dialog is open is lost.
    page.wait_for_function("document.activeElement?.tagName !== 'BODY'")
    page.keyboard.type("--prompt")
    result = page.locator("a[href*='#seqforge-sample-prompt']").first
    result.wait_for(timeout=60_000)
    shown = result.inner_text()
    context.close()
    assert "--prompt TEXT of seqforge sample" in shown
    assert "·" not in shown


def test_the_site_opens_from_a_disk(chromium: Any, site: Path) -> None:
    problems: list[str] = []
    context = chromium.new_context()
    page = context.new_page()
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto((site / "index.html").as_uri())
    page.get_by_role("link", name="Get started").first.click()
    page.wait_for_url("**/get-started/install.html")
    page.keyboard.press("/")
    page.wait_for_function("document.activeElement?.tagName !== 'BODY'")
    page.keyboard.type("cuda")
    page.locator("a[href*='how-to/device.html?h=cuda']").first.wait_for(timeout=60_000)
    context.close()
    assert problems == []
