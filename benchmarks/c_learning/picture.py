"""Text and colors of SVG pictures that can be read on a light and on a dark page."""

from collections.abc import Iterable
from html import escape

COLORS = {
    "page": ("#ffffff", "#16181d"),
    "ink": ("#1f2328", "#e6e8eb"),
    "quiet": ("#59636e", "#9aa4b0"),
    "grid": ("#dfe3e8", "#2f343c"),
    "blue": ("#0969da", "#58a6ff"),
    "green": ("#1a7f37", "#3fb950"),
    "purple": ("#8250df", "#bc8cff"),
    "teal": ("#0a7d8c", "#39c5cf"),
    "red": ("#cf222e", "#ff7b72"),
    "orange": ("#bc4c00", "#f0883e"),
}
"""Each color on a light and on a dark page. A picture uses them as the CSS variables `--page`, `--ink` and so on."""


def write_text(
    x: float, y: float, content: str, *, anchor: str = "start", color: str = "ink", bold: bool = False, size: int = 13
) -> str:
    """Return a line of text as SVG."""
    weight = ' font-weight="600"' if bold else ""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}"{weight} '
        f'fill="var(--{color})">{escape(content)}</text>'
    )


def write_picture(width: int, height: int, description: str, parts: Iterable[str]) -> str:
    """Return a picture as SVG.

    The browser chooses the colors by the color scheme of the page. The picture has its own background, so that it can
    be read where the browser chooses the other scheme.

    Args:
        width: Width in pixels.
        height: Height in pixels.
        description: What the picture shows, for readers who do not see it.
        parts: Elements of the picture.
    """
    light, dark = (";".join(f"--{name}:{pair[scheme]}" for name, pair in COLORS.items()) for scheme in range(2))
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
            f'font-family="system-ui, sans-serif" aria-label="{escape(description)}">',
            f"<style>svg{{{light}}}@media (prefers-color-scheme:dark){{svg{{{dark}}}}}</style>",
            f'<rect width="{width}" height="{height}" fill="var(--page)"/>',
            *parts,
            "</svg>\n",
        ]
    )
