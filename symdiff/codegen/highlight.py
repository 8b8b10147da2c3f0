"""Generated source in colour: for a terminal through Rich, for a notebook through Pygments."""

from __future__ import annotations

import html as _html


def highlighted(source: str, language: str = "python") -> str:
    """`source` with ANSI colours; as it is where Rich is not installed.

    >>> "return" in highlighted("def f(x):\\n    return x")
    True
    """
    try:
        from rich.console import Console
        from rich.syntax import Syntax
    except ImportError:
        return source
    # Rich pads and folds to the width of its console, so that must be wider than any line.
    width = max((len(line) for line in source.splitlines()), default=0) + 1
    console = Console(
        force_terminal=True, color_system="256", width=width, legacy_windows=False, no_color=False
    )
    with console.capture() as captured:
        console.print(Syntax(source, language, theme="ansi_dark", background_color="default"))
    return "\n".join(line.rstrip() for line in captured.get().splitlines())


def html(source: str, language: str = "python") -> str:
    """`source` as an HTML fragment that brings its own colours; plain where Pygments is missing.

    >>> html("x < 1").startswith("<")
    True
    """
    try:
        from pygments import highlight
        from pygments.formatters import HtmlFormatter
        from pygments.lexers import get_lexer_by_name
    except ImportError:
        return f"<pre>{_html.escape(source)}</pre>"
    formatter = HtmlFormatter(noclasses=True, nobackground=True)
    return highlight(source, get_lexer_by_name(language), formatter)
