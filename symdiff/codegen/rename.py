"""Other names in generated text: where two functions of a module would share one."""

from __future__ import annotations

import io
import itertools
import tokenize
from collections.abc import Mapping


def renamed(text: str, names: Mapping[str, str]) -> str:
    """`text` with the names in `names` replaced; attributes, comments and strings stay.

    >>> renamed("def f(x):\\n    return f.x + x.f\\n", {"f": "g"})
    'def g(x):\\n    return g.x + x.f\\n'
    """
    if not names:
        return text
    lines = text.splitlines(keepends=True)
    tokens = list(tokenize.generate_tokens(io.StringIO(text).readline))
    for before, token in reversed(list(itertools.pairwise(tokens))):
        _replace(lines, token, names, after_dot=before.string == ".")
    if tokens:
        _replace(lines, tokens[0], names, after_dot=False)
    return "".join(lines)


def _replace(
    lines: list[str], token: tokenize.TokenInfo, names: Mapping[str, str], *, after_dot: bool
) -> None:
    if token.type == tokenize.NAME and token.string in names and not after_dot:
        row, start = token.start
        line = lines[row - 1]
        lines[row - 1] = line[:start] + names[token.string] + line[token.end[1] :]
