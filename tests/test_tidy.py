"""Statements that are tidied: what reads better, and what has to stay as it is."""

from __future__ import annotations

import ast
from typing import cast

import pytest

from symdiff.codegen.printer import print_definition
from symdiff.codegen.statements import Definition, Signature, Statement
from symdiff.codegen.tidy import tidy
from symdiff.options import Options

# Before; after, or nothing where it stays. The parameters are x, y, n and a.
CASES = {
    "a counter that nothing reads": (
        """
        rounds = 0
        for i in range(n):
            x *= 0.5
            rounds += 1
        return x
        """,
        """
        for i in range(n):
            x *= 0.5
        return x
        """,
    ),
    "an argument that is only written": (
        """
        for i in range(n):
            a += 1
        """,
        "",
    ),
    "results of a call": (
        """
        for i in range(n):
            count = 0
            _, count_2 = halved(x)
            x *= count_2
        return x
        """,
        """
        for i in range(n):
            _, count_2 = halved(x)
            x *= count_2
        return x
        """,
    ),
    "leaving first": (
        """
        rounds = 0
        while True:
            f = x * x - y
            done = abs(f) < 1e-12
            if not done:
                x -= 0.5 * f / x
            rounds += 1
            if done:
                break
        return x, rounds
        """,
        """
        rounds = 0
        while True:
            f = x * x - y
            rounds += 1
            if abs(f) < 1e-12:
                break
            x -= 0.5 * f / x
        return x, rounds
        """,
    ),
    "what the last round does": (
        """
        for i in range(n):
            done = x > y
            if done:
                y = x
            else:
                x = x + 1.0
            if done:
                break
        return y
        """,
        """
        for i in range(n):
            if x > y:
                y = x
                break
            x = x + 1.0
        return y
        """,
    ),
    "what is between the two reads what the branch writes": (
        """
        for i in range(n):
            done = x > y
            if not done:
                x = x + 1.0
            tape.append(x)
            if done:
                break
        return tape
        """,
        "",
    ),
    "what is between the two looks into an array": (
        """
        for i in range(n):
            done = x > y
            if not done:
                b[0] = x
            z = a[0]
            if done:
                break
        return z
        """,
        "",
    ),
    "a test that the round changes": (
        """
        for i in range(n):
            if not x > y:
                x = x + 1.0
            if x > y:
                break
        return x
        """,
        "",
    ),
    "a copy": (
        """
        if x > y:
            z = a.copy()
            z[0] = 0.0
            d_a = z
        else:
            d_a = a
        return d_a
        """,
        """
        if x > y:
            d_a = a.copy()
            d_a[0] = 0.0
        else:
            d_a = a
        return d_a
        """,
    ),
    "a copy under the better name": (
        """
        if x > y:
            cos_x = math.cos(x)
            t = cos_x
        else:
            t = 0.0
        return t
        """,
        """
        if x > y:
            cos_x = math.cos(x)
        else:
            cos_x = 0.0
        return cos_x
        """,
    ),
    "a copy of what is read again, and does not change": (
        """
        if x > y:
            root = math.sqrt(x)
            value = root
            d_x = 0.5 / root
        else:
            value = 0.0
            d_x = 0.0
        return value, d_x
        """,
        """
        if x > y:
            value = math.sqrt(x)
            d_x = 0.5 / value
        else:
            value = 0.0
            d_x = 0.0
        return value, d_x
        """,
    ),
    "a copy that changes while the other is read": (
        """
        for i in range(n):
            z = x * x
            y = z
            y += 1.0
            x = y * z + z
        return x
        """,
        "",
    ),
    "a copy of what changes then": (
        """
        for i in range(n):
            z = x * x
            y = z
            z += 1.0
            x = y * z
        return x
        """,
        "",
    ),
    "a copy of what the last round has made": (
        """
        for i in range(n):
            y = z
            z = x * i
        return y
        """,
        "",
    ),
    "a copy over what is still read": (
        """
        for i in range(n):
            z = x * x
            w = x + y
            x = z
            y = w * x
        return x + y
        """,
        "",
    ),
    "a copy that a round may not come to": (
        """
        for i in range(n):
            z = x * x
            if z > 2.0:
                break
            x = z
        return x
        """,
        "",
    ),
    "a condition of an array that is written before it is asked": (
        """
        for i in range(n):
            done = a[0] > 1.0
            b[0] = x
            if done:
                break
        return a
        """,
        "",
    ),
    "a part of a condition": (
        """
        for i in range(n):
            done = x > 1.0
            if done and y > x:
                break
            x += y
        return x
        """,
        "",
    ),
}


def statements(nodes: list[ast.stmt]) -> list[Statement]:
    """Statements as code generation makes them: those of a block are not in its syntax."""
    found: list[Statement] = []
    for node in nodes:
        made = Statement(node)
        if isinstance(node, ast.If | ast.For | ast.While):
            made.body, made.orelse = statements(node.body), statements(node.orelse)
            node.body, node.orelse = [], []
        found.append(made)
    return found


def definition(body: str, numbered: dict[str, tuple[str, str]] | None = None) -> Definition:
    """A function of x, y, n and a."""
    lines = "\n".join("    " + line for line in body.strip("\n").splitlines())
    function = cast("ast.FunctionDef", ast.parse(f"if 1:\n{lines}").body[0])
    params = [Signature(name) for name in ("x", "y", "n", "a")]
    return Definition("f", params, "", "", statements(function.body), numbered=numbered or {})


@pytest.mark.parametrize("case", CASES)
def test_tidied(case: str) -> None:
    before, after = CASES[case]
    found = definition(before)
    tidy(found)
    assert print_definition(found, Options()) == print_definition(
        definition(after or before), Options()
    )


def test_numbers_of_names_have_no_gaps() -> None:
    body = """
        if n > 1:
            t3 = y * x
            cos_t7 = math.cos(t3)
            t7 = t3 - cos_t7
            x_4 = t7 + a_2
        else:
            x_4 = y
        return x_4
        """
    numbered = {name: (name[:-2], "_") for name in ("x_4", "a_2", "d_2")}
    numbered |= {name: ("t", "") for name in ("t3", "t7")}
    found = definition(body, numbered=numbered)
    tidy(found)
    text = print_definition(found, Options())
    assert "t = y * x\n" in text
    assert "t7 = t - cos_t7\n" in text  # else `cos_t7` would be misleading
    assert "x = t7 + a_2\n" in text  # a_2 is not the argument


# Names with a number: what they go by where the earlier value is not needed any more.
REUSED: dict[str, tuple[str, str]] = {
    "one after the other": (
        "z = y * 2\nz_2 = z / n\nz_3 = z_2 + z_2\nreturn z_3",
        "z = y * 2\nz = z / n\nz = z + z\nreturn z",
    ),
    "needed later": (
        "z = y * 2\nz_2 = z / n\nreturn z + z_2",
        "z = y * 2\nz_2 = z / n\nreturn z + z_2",
    ),
    "in the next round": (
        "z = y\nfor i in range(n):\n    z_2 = z * i\n    y = y + z_2\nreturn y",
        "z = y\nfor i in range(n):\n    z_2 = z * i\n    y = y + z_2\nreturn y",
    ),
    "carried": (
        "z = y\nfor i in range(n):\n    z_2 = z * i\n    z = z_2 + 1\nreturn z",
        "z = y\nfor i in range(n):\n    z = z * i\n    z = z + 1\nreturn z",
    ),
    "behind a break": (
        "z = y\nfor i in range(n):\n    z_2 = z * i\n    if z_2 > 9:\n        break\n"
        "    z = z_2 + 1\nreturn z",
        "z = y\nfor i in range(n):\n    z_2 = z * i\n    if z_2 > 9:\n        break\n"
        "    z = z_2 + 1\nreturn z",
    ),
    "behind a continue": (
        "z = y\nwhile z < n:\n    z_2 = z * z\n    if z_2 > 9:\n        y = 1\n        continue\n"
        "    z = z_2 + 1\nreturn z",
        "z = y\nwhile z < n:\n    z_2 = z * z\n    if z_2 > 9:\n        y = 1\n        continue\n"
        "    z = z_2 + 1\nreturn z",
    ),
    "copies": (
        "z = y * 2\nz_2 = z\nfor i in range(n):\n    z_2 = z_2 * i\nreturn z_2",
        "z = y * 2\nfor i in range(n):\n    z = z * i\nreturn z",
    ),
    "copies that part": (
        "z = y * 2\nz_2 = z\nfor i in range(n):\n    z_2 = z_2 * i\nreturn z_2 + z",
        "z = y * 2\nz_2 = z\nfor i in range(n):\n    z_2 = z_2 * i\nreturn z_2 + z",
    ),
    "arguments": (
        "if n > 1:\n    x_2 = x * y\nelse:\n    x_2 = y\nreturn x_2",
        "if n > 1:\n    x = x * y\nelse:\n    x = y\nreturn x",
    ),
    "a name that a comprehension binds": (
        "z_2 = y * 2\nz = [z_2 for z_2 in range(n)]\nreturn z",
        "z_2 = y * 2\nz = [z_2 for z_2 in range(n)]\nreturn z",
    ),
}


@pytest.mark.parametrize("case", REUSED)
def test_names_that_are_free_again(case: str) -> None:
    before, after = REUSED[case]
    numbered = {f"{name}_{k}": (name, "_") for name in "xz" for k in (2, 3)}
    found = definition(before, numbered=numbered)
    tidy(found)
    assert print_definition(found, Options()) == print_definition(definition(after), Options())
