"""The page in a real browser: what it shows, how it behaves, and what text from a model cannot do."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from seqforge import Run
from seqforge.report.report import write_report
from seqforge.runs.history import read_history, record_start
from seqforge.runs.metrics_log import MetricsLog, find_samples, to_lines, write_samples

OpenPage = Callable[..., Any]
FAULTY = "int f(void)\n{\n\treturn 0;\n}\n)\n"
HOSTILE = (
    FAULTY + "</script><script>document.title = 'run'</script> \"'\x00 \u202eabc\u2066 <img src=x onerror=alert(1)> )\n"
)


@pytest.fixture(scope="session")
def address(trained: Path, registry: Any, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the address of a report with hostile text in every place that a run or a model can fill."""
    folder = tmp_path_factory.mktemp("page")
    run = Run.open(shutil.copytree(trained, folder / "<b>run"), registry=registry)
    for record in [record for record in run.metrics() if record["event"] == "sample"]:
        texts = [HOSTILE + path.read_text() for path in find_samples(run.directory.samples, record)]
        checksums = write_samples(run.directory.samples, record["step"], texts)
        changed = {**record, "checksums": checksums, "summary": ["none of the brackets", HOSTILE]}
        MetricsLog(run.directory.metrics).append("sample", record["step"], changed)
    record_start(run.path, 12, {"corpus": HOSTILE, "backends": [HOSTILE]})
    history = read_history(run.path)
    (run.path / "history.jsonl").write_bytes(to_lines([history[-1], *history[:-1]]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEQFORGE_CACHE", str(folder / "cache"))
        page = write_report([run.load()])
    page.save(folder / "report.html")
    assert len(page.html) < 5e6
    return (folder / "report.html").as_uri()


@pytest.mark.parametrize(("width", "scheme"), [(390, "dark"), (1280, "light")])
def test_page_is_usable(address: str, open_page: OpenPage, width: int, scheme: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe-playwright-python")
    page = open_page(address, width, scheme)
    assert page.title() == "<b>run · seqforge report"
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator(".u-wrap canvas").count() >= 6
    assert page.locator("mark.error").count() >= 1
    assert page.locator(".gates circle").count() == 3 * 12
    results = axe.Axe().run(page, options={"resultTypes": ["violations"]})
    violations = [(one["id"], one["nodes"][0]["html"][:200]) for one in results.response["violations"]]
    assert not violations


def test_hostile_text_is_shown_and_not_interpreted(address: str, open_page: OpenPage) -> None:
    page = open_page(address)
    text = page.locator("pre.text").first
    assert "<script>document.title = 'run'</script>" in text.inner_text()
    assert page.locator("main img, main script, main h1 b").count() == 0
    # Control and bidirectional characters are replaced by their names.
    assert text.locator(".control").all_inner_texts() == ["U+0000", "U+202E", "U+2066"]
    assert not {"\x00", "\u202e", "\u2066"} & set(page.locator("body").inner_text())


def test_fault_is_explained_on_focus(address: str, open_page: OpenPage) -> None:
    page = open_page(address)
    page.locator("mark.error").first.focus()
    assert "closes nothing" in page.locator("#tooltip").inner_text()
    page.keyboard.press("Escape")
    assert page.locator("#tooltip").is_hidden()


def test_slider_shows_the_sample_of_each_moment(address: str, open_page: OpenPage) -> None:
    page = open_page(address)
    slider = page.get_by_role("slider", name="Moment")
    before = page.locator("pre.text").first.inner_text()
    assert page.locator("output").inner_text() == "step 12"
    slider.press("ArrowLeft")
    assert page.locator("output").inner_text() == "step 8"
    assert page.locator("pre.text").first.inner_text() != before


def test_sentences_about_the_samples_are_before_the_table(address: str, open_page: OpenPage) -> None:
    page = open_page(address)
    assert page.locator("ul.summary li").first.inner_text() == "none of the brackets"
    table = page.locator("table.values").first
    assert table.is_hidden()
    page.get_by_text("Every value").click()
    assert table.is_visible()


def test_confidence_lists_the_likeliest_symbols(address: str, open_page: OpenPage) -> None:
    page = open_page(address)
    page.get_by_label("Text colored by confidence").press("ArrowRight")
    assert page.locator("#tooltip li").count() == 5


def test_theme_can_be_chosen(address: str, open_page: OpenPage) -> None:
    page = open_page(address, scheme="dark")

    def background() -> str:
        return page.evaluate("getComputedStyle(document.body).backgroundColor")

    dark = background()
    page.get_by_role("button", name="Color scheme").click()
    assert background() != dark


def test_curves_follow_the_axis_and_the_scale(address: str, open_page: OpenPage) -> None:
    page = open_page(address)
    count = page.locator(".u-wrap canvas").count()
    page.get_by_role("radio", name="Characters").check()
    page.get_by_label("Logarithmic").check()
    assert page.locator(".u-wrap canvas").count() == count


def test_runs_share_their_curves(run: Run, tmp_path: Path, open_page: OpenPage) -> None:
    subjects = [run.load() for _ in range(2)]
    write_report(subjects).save(tmp_path / "two.html")
    page = open_page((tmp_path / "two.html").as_uri())
    assert page.locator(".chart.big .legend li").count() == 4
    page.get_by_role("radio", name="small").nth(1).check()
    assert page.locator(".parts:visible").count() == 1
