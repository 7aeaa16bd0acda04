"""Charts as SVG, written by hand: one function an element, and `document` around them. Pixels, y down."""

from __future__ import annotations

from xml.sax.saxutils import escape

# One colour a precision, the same in every chart; told apart by people with colour blindness too (Okabe and Ito).
COLOURS = {"f32": "#0072b2", "bf16": "#e69f00", "int8": "#009e73"}
INK, GRID = "#222222", "#dddddd"


def line(x1: float, y1: float, x2: float, y2: float, colour: str = INK, width: float = 1, dash: str = "") -> str:
    dashes = f' stroke-dasharray="{dash}"' if dash else ""
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" '
        f'stroke-width="{width}"{dashes}/>'
    )


def text(
    x: float, y: float, content: str, anchor: str = "start", size: int = 12, colour: str = INK, bold: bool = False
) -> str:
    weight = ' font-weight="bold"' if bold else ""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" fill="{colour}"{weight}>'
        f"{escape(content)}</text>"
    )


def bar(x: float, y: float, width: float, height: float, colour: str) -> str:
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" fill="{colour}"/>'


def circle(x: float, y: float, colour: str, radius: float = 4, filled: bool = True, title: str = "") -> str:
    fill = f'fill="{colour}" fill-opacity="0.8"' if filled else 'fill="none"'
    return (
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius}" {fill} stroke="{colour}" stroke-width="1.3">'
        f"<title>{escape(title)}</title></circle>"
    )


def diamond(x: float, y: float, colour: str, radius: float = 7, title: str = "") -> str:
    points = " ".join(f"{x + dx * radius:.1f},{y + dy * radius:.1f}" for dx, dy in ((0, -1), (1, 0), (0, 1), (-1, 0)))
    return f'<polygon points="{points}" fill="{colour}" stroke="white"><title>{escape(title)}</title></polygon>'


def document(width: int, height: int, elements: list[str]) -> str:
    """A whole SVG file with a light background."""
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
            f'viewBox="0 0 {width} {height}" font-family="Helvetica, Arial, sans-serif">',
            f'<rect width="{width}" height="{height}" fill="white"/>',
            *elements,
            "</svg>",
            "",
        ]
    )
