"""Objects of the user's classes: made, read, written, and operated on.

An object that the function makes is a `Record`: its class, and its attributes by name, which may
be run-time values. Methods are evaluated; operators are calls of `__add__` and the like. Any
object from outside that is no dataclass or named tuple stays the Python object that it is.
"""

from __future__ import annotations

import abc
import ast
import dataclasses
import functools
import inspect
import operator
import types
import typing
from collections.abc import Callable
from typing import Any

from symdiff.errors import IllTypedError, UnsupportedError
from symdiff.ir.expr import Expr
from symdiff.ir.tree import Record, children, is_container
from symdiff.parse.frame import Evaluation, Frame, ThrownError
from symdiff.parse.values import Opaque, from_python, static_index

MISSING = dataclasses.MISSING
_METACLASSES = (type, abc.ABCMeta, type(typing.Protocol))
_NEW = (object.__new__, typing.Generic.__new__)

# What Python calls for an operator, and what it calls of the right operand.
OPERATORS: dict[Callable[..., Any], tuple[str, str]] = {
    operator.add: ("__add__", "__radd__"), operator.sub: ("__sub__", "__rsub__"),
    operator.mul: ("__mul__", "__rmul__"), operator.truediv: ("__truediv__", "__rtruediv__"),
    operator.floordiv: ("__floordiv__", "__rfloordiv__"), operator.mod: ("__mod__", "__rmod__"),
    operator.pow: ("__pow__", "__rpow__"), operator.matmul: ("__matmul__", "__rmatmul__"),
    operator.and_: ("__and__", "__rand__"), operator.or_: ("__or__", "__ror__"),
    operator.xor: ("__xor__", "__rxor__"), operator.lshift: ("__lshift__", "__rlshift__"),
    operator.rshift: ("__rshift__", "__rrshift__"), operator.lt: ("__lt__", "__gt__"),
    operator.le: ("__le__", "__ge__"), operator.gt: ("__gt__", "__lt__"),
    operator.ge: ("__ge__", "__le__"), operator.eq: ("__eq__", "__eq__"),
    operator.ne: ("__ne__", "__ne__"),
}  # fmt: skip


class Method(Opaque):
    """A method of a class, bound to its first argument; a property is called at once."""

    def __init__(self, owner: Any, function: Any, call: bool = False):
        self.owner, self.function, self.call = owner, function, call


class Super(Opaque):
    """`super()` in a method of an object that is being evaluated."""

    def __init__(self, after: type, owner: Any):
        self.after, self.owner = after, owner


def class_of(value: Any) -> type:
    """The class that Python would say an object has."""
    return value.cls if isinstance(value, Record) else type(value)


def class_member(cls: type, name: str, after: type | None = None) -> Any:
    """What a class, or one of its bases, defines under a name, as it stands there; or MISSING."""
    mro = cls.__mro__
    for base in mro[mro.index(after) + 1 if after is not None else 0 :]:
        if name in vars(base):
            return vars(base)[name]
    return MISSING


def user_method(value: Any, name: str) -> Any:
    """The method of a user's class that Python calls for an operator, or None."""
    if isinstance(value, (Expr, int, float, str, list, tuple, dict, type, types.FunctionType)):
        return None
    cls = class_of(value)
    found = class_member(cls, name)
    generated = dataclasses.is_dataclass(cls) and getattr(
        getattr(found, "__code__", None), "co_filename", "<string>"
    ) == "<string>"  # fmt: skip
    if isinstance(found, types.FunctionType) and not generated:
        return found
    return found if type(found).__name__ == "Closure" else None


# Reading.


def record_attribute(value: Record, attr: str) -> Any:
    """`value.attr`: what its class makes of it, else what it holds."""
    member = class_member(value.cls, attr)
    if isinstance(member, (property, functools.cached_property)) and attr not in value.fields:
        return bound(value, member)
    if attr in value.fields:
        return value.fields[attr]
    if attr == "__class__":
        return value.cls
    if member is MISSING or (value.is_namedtuple and attr in ("_asdict", "count", "index")):
        if class_member(value.cls, "__getattr__") is not MISSING:
            raise UnsupportedError(
                f"{value.cls.__name__}.__getattr__ is not supported",
                hint="define the attributes, or properties",
            )
        if member is not MISSING:
            raise UnsupportedError(
                f"{attr} of a named tuple is not supported", hint="use the fields by name"
            )
        raise IllTypedError(f"{value.cls.__name__} has no field {attr!r}")
    return bound(value, member)


def bound(owner: Any, member: Any) -> Any:
    """A class's member as its object sees it."""
    if isinstance(member, property):
        return Method(owner, member.fget, call=True)
    if isinstance(member, functools.cached_property):
        return Method(owner, member.func, call=True)
    if isinstance(member, staticmethod):
        return member.__func__
    if isinstance(member, classmethod):
        return Method(class_of(owner) if isinstance(owner, Record) else owner, member.__func__)
    if isinstance(member, types.FunctionType) or type(member).__name__ == "Closure":
        return Method(owner, member)
    if hasattr(type(member), "__get__"):
        raise UnsupportedError(
            f"a {type(member).__name__} in a class is not supported",
            hint="use a method or a property",
        )
    return from_python(member)


def super_attribute(value: Super, attr: str) -> Any:
    """`super().attr`."""
    member = class_member(class_of(value.owner), attr, value.after)
    if member is MISSING:
        raise AttributeError(f"'super' object has no attribute {attr!r}")
    if member is object.__init__:
        return lambda *args: None
    return bound(value.owner, member)


def make_super(frame: Frame, args: list[Any]) -> Any:
    """`super()`, with the class and object of the method that it stands in."""
    if args:
        after, owner = args
    else:
        home: Frame | None = frame
        while home is not None and not isinstance(home.node, ast.FunctionDef):
            home = home.parent
        assert home is not None
        parameters = (*home.node.args.posonlyargs, *home.node.args.args)
        if not parameters:
            raise ThrownError(RuntimeError("super(): no arguments"))
        after, owner = frame.lookup("__class__"), home.env[parameters[0].arg]
    return Super(after, owner) if isinstance(owner, Record) else super(after, owner)


# Writing.


def set_attribute(frame: Frame, owner: Any, attr: str, value: Any, node: ast.AST) -> Evaluation:
    """`owner.attr = value`."""
    if not isinstance(owner, Record):
        raise UnsupportedError(
            "setting an attribute of an object outside the function is not supported",
            hint="return the value instead",
        )
    if owner.is_namedtuple:
        raise AttributeError("can't set attribute of a named tuple")
    member = class_member(owner.cls, attr)
    if isinstance(member, property):
        if member.fset is None:
            raise AttributeError(f"property {attr!r} of {owner.cls.__name__} has no setter")
        from symdiff.parse.calls import call

        yield call(frame, member.fset, [owner, value], {}, node)
        return None
    if is_frozen(owner.cls):
        raise ThrownError(dataclasses.FrozenInstanceError(f"cannot assign to field {attr!r}"))
    if class_member(owner.cls, "__setattr__") is not object.__setattr__:
        raise UnsupportedError(
            f"{owner.cls.__name__}.__setattr__ is not supported",
            hint="set the attribute through a method of another name",
        )
    frame.context.check_mutable(owner.fields)
    owner.fields[attr] = value
    return None


def is_frozen(cls: type) -> bool:
    """Whether assigning to a field of this dataclass raises."""
    parameters = getattr(cls, "__dataclass_params__", None)
    return parameters is not None and parameters.frozen


# Making.


def is_user_class(cls: Any) -> bool:
    """Whether making an object of `cls` runs nothing but Python functions, or nothing at all."""
    if not isinstance(cls, type) or type(cls) not in _METACLASSES:
        return False
    return cls.__new__ in _NEW and all(b.__flags__ & 1 << 9 for b in cls.__mro__[:-1])


def instantiate(
    frame: Frame, cls: type, args: list[Any], kwargs: dict[str, Any], node: ast.AST
) -> Evaluation:
    """`cls(*args, **kwargs)` for a class of the user's."""
    from symdiff.parse.calls import call

    abstract = getattr(cls, "__abstractmethods__", None)
    if abstract:
        names = ", ".join(sorted(abstract))
        raise TypeError(f"Can't instantiate abstract class {cls.__name__} without {names}")
    init = class_member(cls, "__init__")
    generated = dataclasses.is_dataclass(cls) and _is_generated(cls)
    if hasattr(cls, "_fields") or generated:
        record = Record(cls, {})
        frame.context.born(record.fields)
        yield _fill(frame, record, args, kwargs, node)
        post = class_member(cls, "__post_init__")
        if post is not MISSING:
            yield call(frame, post, [record], {}, node)
        return record
    record = Record(cls, {})
    frame.context.born(record.fields)
    if init is object.__init__:
        if args or kwargs:
            raise TypeError(f"{cls.__name__}() takes no arguments")
    elif isinstance(init, types.FunctionType) or type(init).__name__ == "Closure":
        yield call(frame, init, [record, *args], kwargs, node)
    else:
        raise UnsupportedError(
            f"{cls.__name__}.__init__ has no Python source",
            hint="write the class in Python, or pass in its values",
        )
    return record


def _is_generated(cls: type) -> bool:
    """Whether the `__init__` in force is the one that @dataclass writes."""
    for base in cls.__mro__:
        if "__init__" in vars(base):
            parameters = vars(base).get("__dataclass_params__")
            code = getattr(vars(base)["__init__"], "__code__", None)
            return parameters is not None and parameters.init and code is not None and (
                code.co_filename == "<string>"
            )  # fmt: skip
    return False


def _fill(
    frame: Frame, record: Record, args: list[Any], kwargs: dict[str, Any], node: ast.AST
) -> Evaluation:
    """The fields of a dataclass or named tuple from a call's arguments and the defaults."""
    from symdiff.parse.calls import call

    cls = record.cls
    if hasattr(cls, "_fields"):
        names, keywords = list(cls._fields), []
        defaults = {k: (v, MISSING) for k, v in cls._field_defaults.items()}
        every = names
    else:
        fields = dataclasses.fields(cls)
        names = [f.name for f in fields if f.init and not f.kw_only]
        keywords = [f.name for f in fields if f.init and f.kw_only]
        defaults = {f.name: (f.default, f.default_factory) for f in fields}
        every = [f.name for f in fields]
        if any(type(a) is dataclasses.InitVar for a in inspect.get_annotations(cls).values()):
            raise UnsupportedError(
                f"InitVar of {cls.__name__} is not supported",
                hint="make it a field, or compute before the call",
            )
    if len(args) > len(names):
        raise TypeError(f"{cls.__name__}() takes {len(names)} arguments but {len(args)} were given")
    given = dict(zip(names, args, strict=False))
    for key, value in kwargs.items():
        if key in given:
            raise TypeError(f"{cls.__name__}() got multiple values for argument {key!r}")
        if key not in names and key not in keywords:
            raise TypeError(f"{cls.__name__}() got an unexpected keyword argument {key!r}")
        given[key] = value
    missing: list[str] = []
    for name in every:
        value, factory = defaults.get(name, (MISSING, MISSING))
        if name in given:
            record.fields[name] = given[name]
        elif value is not MISSING:
            record.fields[name] = from_python(value)
        elif factory is not MISSING:
            record.fields[name] = yield call(frame, factory, [], {}, node)
        elif name in names or name in keywords:
            missing.append(name)
    if missing:
        raise TypeError(f"{cls.__name__}() missing arguments: {', '.join(missing)}")


def refuse_results(tree: Any) -> None:
    """Refuse objects in a function's result that calling their class would not make again."""
    if isinstance(tree, Record):
        plain = not tree.is_namedtuple and not _is_generated(tree.cls)
        if plain or class_member(tree.cls, "__post_init__") is not MISSING:
            raise UnsupportedError(
                f"a {tree.cls.__name__} object is returned: no plain dataclass or named tuple",
                hint="return its attributes",
            )
    if is_container(tree):
        for _, _, child in children(tree):
            refuse_results(child)


# Operators.


def has_operators(value: Any) -> bool:
    """Whether an operator on `value` may be a method that the evaluator has to run."""
    return isinstance(value, Record) or (
        not isinstance(value, (Expr, Opaque, int, float, str, list, tuple, dict, type(None)))
        and type(value).__module__ not in ("builtins", "numpy")
    )


def operate(frame: Frame, op: Any, left: Any, right: Any, node: ast.AST) -> Evaluation:
    """`left op right` where a user's class may define it; NotImplemented where none does."""
    from symdiff.parse.calls import call

    name, reflected = OPERATORS[op]
    tries = [(left, right, name), (right, left, reflected)]
    a, b = class_of(left), class_of(right)
    if a is not b and issubclass(b, a):
        tries.reverse()
    elif a is b and name not in ("__eq__", "__ne__"):
        tries = tries[:1] if name not in ("__lt__", "__le__", "__gt__", "__ge__") else tries
    for owner, other, method in tries:
        function = user_method(owner, method)
        if function is not None:
            result = yield call(frame, function, [owner, other], {}, node)
            if result is not NotImplemented:
                return result
    return NotImplemented


def as_tuple(value: Any) -> Any:
    """A named tuple as the tuple that it is."""
    if isinstance(value, Record) and value.is_namedtuple:
        return tuple(value.fields.values())
    return value


def describe(value: Any) -> str:
    return str(value.type) if isinstance(value, Expr) else class_of(value).__name__


# Operators that change their left operand.

_IN_PLACE: dict[Any, Any] = {
    list: {operator.add: list.extend, operator.mul: None},
    dict: {operator.or_: dict.update},
    set: {operator.or_: set.update, operator.and_: set.intersection_update,
          operator.sub: set.difference_update, operator.xor: set.symmetric_difference_update},
}  # fmt: skip


def in_place(frame: Frame, op: Any, current: Any, value: Any, node: ast.AST) -> Evaluation:
    """`items += more`: lists, dicts and sets are changed, not replaced."""
    from symdiff.parse.containers import items_of, iterated

    table = _IN_PLACE.get(type(current), {})
    if op not in table:
        raise TypeError(f"unsupported operand types: {describe(current)} and {describe(value)}")
    frame.context.check_mutable(current)
    if op is operator.mul:
        current[:] = current * static_index(value, "the length of a repeated list")
    elif isinstance(current, list):
        current.extend(items_of((yield iterated(frame, value, node))))
    else:
        if type(value) not in (dict, set, frozenset):
            raise TypeError(f"unsupported operand types: {describe(current)} and {describe(value)}")
        table[op](current, value)
    return current


def augmented(frame: Frame, op: Any, current: Any, value: Any, node: ast.AST) -> Evaluation:
    """`a += b` of anything else: `__iadd__` of a user's class, or `a + b`."""
    from symdiff.parse.calls import call
    from symdiff.parse.expressions import operation

    if has_operators(current):
        name = OPERATORS[op][0]
        method = user_method(current, f"__i{name[2:]}")
        if method is not None:
            result = yield call(frame, method, [current, value], {}, node)
            if result is not NotImplemented:
                return result
    return (yield operation(frame, op, current, value, node))


def managed(frame: Frame, value: Any) -> Evaluation:
    """A context manager of a user's class, whose methods the evaluator runs around the body."""
    from symdiff.parse.calls import call
    from symdiff.parse.statements import Managed, assign, block

    enter, leave = user_method(value, "__enter__"), user_method(value, "__exit__")
    if enter is None or leave is None:
        return value

    def run(frame: Frame, target: Any, body: list[ast.stmt], node: ast.AST) -> Evaluation:
        entered = yield call(frame, enter, [value], {}, node)
        if target is not None:
            yield assign(frame, target, entered, node)
        exits = len(frame.exits)
        signal = yield block(frame, body)
        if len(frame.exits) > exits:
            raise UnsupportedError(
                "leaving a 'with' under a run-time condition is not supported",
                hint="leave after the with statement",
            )
        yield call(frame, leave, [value, None, None, None], {}, node)
        return signal

    return Managed(run)
    yield


def set_item(frame: Frame, container: Any, key: Any, value: Any, node: ast.AST) -> Evaluation:
    """`container[key] = value` where a user's class says what it does."""
    from symdiff.parse.calls import call

    method = user_method(container, "__setitem__")
    if method is None:
        raise TypeError(f"'{describe(container)}' object does not support item assignment")
    yield call(frame, method, [container, key, value], {}, node)
    return None
