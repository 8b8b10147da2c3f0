"""Statements that change what names mean: `del`, `import`, `global`, `class`."""

from __future__ import annotations

import ast
import dataclasses
import functools
import importlib
import types
from typing import Any

from symdiff.errors import UnsupportedError
from symdiff.ir.expr import Expr
from symdiff.ir.tree import Record
from symdiff.parse.frame import Evaluation, Frame, Step, ThrownError, handles
from symdiff.parse.growing import Grown
from symdiff.parse.values import static_index


@handles(ast.Delete)
def delete_statement(frame: Frame, node: ast.Delete) -> Evaluation:
    """`del`: a name or an item is gone; values that were made from it stay."""
    for target in node.targets:
        yield _delete(frame, target)
    return None


def _delete(frame: Frame, target: ast.expr) -> Evaluation:
    match target:
        case ast.Name():
            frame.lookup(target.id)  # raises UnknownNameError
            if target.id in frame.nonlocals or target.id not in frame.env:
                raise UnsupportedError(
                    f"del of {target.id!r}, which is not a local variable",
                    hint="delete it where it is assigned",
                )
            del frame.env[target.id]
        case ast.Tuple() | ast.List():
            for part in target.elts:
                yield _delete(frame, part)
        case ast.Subscript():
            container = yield target.value
            key = yield target.slice
            if isinstance(container, Grown):
                container.delete(key)
                return
            if not isinstance(container, (list, dict)):
                kind = "an array" if isinstance(container, Expr) else type(container).__name__
                raise TypeError(f"items of {kind} cannot be deleted")
            frame.context.check_mutable(container)
            del container[_static(key)]
        case ast.Attribute():
            owner = yield target.value
            if not isinstance(owner, Record):
                raise UnsupportedError(
                    "del of an attribute of an object outside the function",
                    hint="copy what the function needs",
                )
            frame.context.check_mutable(owner.fields)
            if target.attr not in owner.fields:
                raise AttributeError(target.attr)
            del owner.fields[target.attr]
        case _:
            raise UnsupportedError(
                "this target of 'del' is not supported", hint="delete names and items"
            )
    return None


def _static(key: Any) -> Any:
    what = "an index into a Python container"
    if isinstance(key, slice):
        return slice(*(static_index(p, what) for p in (key.start, key.stop, key.step)))
    return static_index(key, what)


@handles(ast.Import)
def import_statement(frame: Frame, node: ast.Import) -> None:
    """`import a.b as c`: done when compiling, as everything static is."""
    for alias in node.names:
        module = _imported(frame, alias.name, 0)
        if alias.asname is None:
            top, _, _ = alias.name.partition(".")
            frame.env[top] = _imported(frame, top, 0)
        else:
            frame.env[alias.asname] = module


@handles(ast.ImportFrom)
def import_from_statement(frame: Frame, node: ast.ImportFrom) -> None:
    module = _imported(frame, node.module or "", node.level)
    for alias in node.names:
        try:
            value = getattr(module, alias.name)
        except AttributeError:
            try:
                value = importlib.import_module(f"{module.__name__}.{alias.name}")
            except ImportError:
                error = ImportError(
                    f"cannot import name {alias.name!r} from {module.__name__!r}",
                    name=module.__name__,
                )
                raise ThrownError(error, frame.span(node)) from None
        frame.env[alias.asname or alias.name] = value


def _imported(frame: Frame, name: str, level: int) -> Any:
    try:
        if level:
            package = frame.globals.get("__package__") or ""
            return importlib.import_module("." * level + name, package)
        return importlib.import_module(name)
    except ImportError as error:
        raise ThrownError(error) from None


@handles(ast.Global)
def global_statement(frame: Frame, node: ast.Global) -> None:
    """`global` for reading is harmless; a write would be done once, when compiling."""
    written = _assigned(frame.node) if frame.node is not None else set(node.names)
    for name in node.names:
        if name in written:
            raise UnsupportedError(
                f"the global {name!r} is assigned in a differentiated function",
                hint="return the new value, and assign it where the function is called",
            )
        if name in frame.outer or any(name in f.env for f in _around(frame)):
            raise UnsupportedError(
                f"the global {name!r} has the name of a variable of the function around",
                hint="give one of them another name",
            )


def _around(frame: Frame) -> list[Frame]:
    found: list[Frame] = []
    while frame.parent is not None:
        frame = frame.parent
        found.append(frame)
    return found


@handles(ast.ClassDef)
def class_definition(frame: Frame, node: ast.ClassDef) -> Evaluation:
    """A class: a Python class, whose methods the evaluator runs."""
    from symdiff.parse.calls import call

    bases: list[Any] = []
    for base in node.bases:
        if isinstance(base, ast.Starred):
            raise UnsupportedError(
                "a starred base class is not supported", hint="write the bases out"
            )
        bases.append((yield base))
    if node.keywords:
        raise UnsupportedError(
            "keyword arguments of a class are not supported",
            hint="define the class outside the function",
        )
    body = Frame(frame.context, frame.source, {}, frame.outer, frame.globals, parent=frame)
    body.node, body.level = node, frame.level
    annotations: dict[str, Any] = {}
    for statement in node.body:
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            annotations[statement.target.id] = object
        yield Step(body, statement)
    names = {
        **body.env,
        "__annotations__": annotations,
        "__module__": frame.globals.get("__name__"),
    }
    names["__qualname__"] = node.name
    for value in names.values():
        if isinstance(value, Expr):
            raise UnsupportedError(
                "a class attribute that is known only at run time is not supported",
                hint="set it in __init__, or use a closure",
            )
    value: Any = types.new_class(node.name, tuple(bases), {}, lambda n: n.update(names))
    body.env = {"__class__": value}  # methods do not see the names of the class's body
    for decorator in reversed(node.decorator_list):
        decorate = yield decorator
        if decorate is dataclasses.dataclass or isinstance(decorate, functools.partial):
            value = decorate(value)
        else:
            value = yield call(frame, decorate, [value], {}, decorator)
    frame.env[node.name] = value
    return None


def _assigned(function: ast.AST) -> set[str]:
    """The names that a function's own statements bind."""
    stack = list(ast.iter_child_nodes(function))
    found: set[str] = set()
    while stack:
        node = stack.pop()
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            found.add(node.id)
        elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            found.add(node.name)
        if not isinstance(node, (ast.FunctionDef, ast.Lambda, ast.ClassDef)):
            stack.extend(ast.iter_child_nodes(node))
    return found
