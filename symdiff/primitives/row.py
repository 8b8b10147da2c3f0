"""What a row of the table is, and how both modes of differentiation follow from it.

A row states its derivative once. `pushforward` (forward mode) and `pullback` (reverse mode) are
derived from that statement, in one of four ways:

    Elementwise   partial derivatives, an expression in operands and result: sin' = cos
    Linear        linear in each operand; its transpose is stated: (A @ x)^T = A^T @ ct
    Reduction     partial of the result in each reduced element: sum' = 1, max' = [x == max]
    Composite     by its expansion into other rows
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from symdiff.ir.expr import Apply, Const, Expr, Operator, apply, const, if_
from symdiff.ir.types import INT, Type, broadcast_shapes, is_counted, promote_dtype
from symdiff.primitives.term import Term as Term
from symdiff.primitives.term import as_expr as as_expr

Attrs = tuple[Any, ...]
Infer = Callable[[Attrs, Sequence[Type]], Type]


class Primitive(Operator):
    """A row: its name, type rule, derivative, and how NumPy and `math` spell it.

    numpy, math: the spelling, a call's name ("np.sin") or a template ("{0} @ {1}"); see
    `codegen/spell.py`. commutes: operands may be swapped. raises: it may raise in the Python
    flavour, so it may not be computed where the primal does not. fails: where it does raise;
    error: what it raises there, a class's name and a message. support: functions that its
    spelling calls, whose source a generated module includes. c: one element in C, a template; a
    mapping tells apart "float", "int" (of integers alone) and "python" (of Python's numbers).
    """

    differentiable = True
    commutes = False

    def __init__(
        self,
        name: str,
        infer: Infer,
        *,
        numpy: str | Callable[..., Any],
        math: str | None = None,
        attrs: tuple[str, ...] = (),
        over: Any = None,
        raises: bool = False,
        fails: Callable[..., Any] | None = None,
        error: tuple[str, str] = ("ValueError", "math domain error"),
        support: tuple[Callable[..., Any], ...] = (),
        c: str | Mapping[str, str] | None = None,
        doc: str = "",
    ):
        self.name = name
        self.infer = infer
        self.numpy = numpy
        self.math = math
        self.attr_names = attrs
        self.over = over
        self.raises = raises
        self.fails = fails
        self.error = error
        self.support = support
        self.c = c
        self.doc = doc

    def build(self, *operands: Any, attrs: Attrs = ()) -> Expr:
        """This row applied to expressions, terms or numbers."""
        exprs = tuple([x if isinstance(x, Expr) else as_expr(x) for x in operands])
        return apply(self, exprs, attrs, self.infer(attrs, [e.type for e in exprs]))

    def __call__(self, *operands: Any, attrs: Attrs = ()) -> Term:
        """The same in `Term` notation, for the formulas of other rows."""
        return Term(self.build(*operands, attrs=attrs))

    def pushforward(self, node: Apply, tangents: Sequence[Expr | None]) -> Expr | None:
        """The tangent of `node` given its operands' tangents (None is zero)."""
        raise NotImplementedError(self.name)

    def pullback(self, node: Apply, ct: Expr, wanted: Sequence[bool]) -> list[Expr | None]:
        """The contribution of `node`'s cotangent to each wanted operand (None is zero)."""
        raise NotImplementedError(self.name)


class Discrete(Primitive):
    """Locally constant, or not a number at all: comparisons, floor, argmax. No derivative."""

    differentiable = False

    def pushforward(self, node: Apply, tangents: Sequence[Expr | None]) -> Expr | None:
        return None

    def pullback(self, node: Apply, ct: Expr, wanted: Sequence[bool]) -> list[Expr | None]:
        return [None] * len(wanted)


Partial = Callable[..., Any] | None


class Elementwise(Primitive):
    """Acts on each element, with broadcasting; `partials[i](*operands, result)`."""

    def __init__(
        self, name: str, partials: Sequence[Partial], *, commutes: bool = False, **row: Any
    ):
        super().__init__(name, row.pop("infer", float_result), **row)
        self.partials = tuple(partials)
        self.commutes = commutes

    def partial(self, node: Apply, index: int) -> Expr | None:
        """d node / d operand, or None where it is zero everywhere."""
        rule = self.partials[index]
        if rule is None:
            return None
        value = rule(*map(Term, node.operands), Term(node))
        return None if value is None else as_expr(value)

    def pushforward(self, node: Apply, tangents: Sequence[Expr | None]) -> Expr | None:
        total: Expr | None = None
        for index, tangent in enumerate(tangents):
            if tangent is None:
                continue
            partial = self.partial(node, index)
            if partial is not None:
                masked = not tangent.type.weak and _hides_mask(tangent)
                term = scaled(tangent, partial) if masked else times(partial, tangent)
                total = plus(total, term)
        return None if total is None else fit(spread(total, node, counted=True), node.type)

    def pullback(self, node: Apply, ct: Expr, wanted: Sequence[bool]) -> list[Expr | None]:
        result: list[Expr | None] = []
        for index, operand in enumerate(node.operands):
            partial = self.partial(node, index) if wanted[index] else None
            result.append(None if partial is None else fit(scaled(ct, partial), operand.type))
        return result


Transpose = Callable[[Apply, Expr, int], Expr]


class Linear(Primitive):
    """Linear in each of `slots` operands; `transpose(node, ct, i)` is the adjoint for operand i."""

    def __init__(
        self,
        name: str,
        infer: Infer,
        transpose: Transpose,
        *,
        joint: bool = False,
        slots: Callable[[Apply], Sequence[int]] | None = None,
        **row: Any,
    ):
        super().__init__(name, infer, **row)
        self.transpose = transpose
        self.joint = joint  # linear in all operands together (concatenate), not in each (matmul)
        self.slots = slots or (lambda node: range(len(node.operands)))

    def pushforward(self, node: Apply, tangents: Sequence[Expr | None]) -> Expr | None:
        slots = set(self.slots(node))
        if all(tangents[i] is None for i in slots):
            return None
        if self.joint:
            operands = [
                (tangents[i] or zeros_like(x)) if i in slots else x
                for i, x in enumerate(node.operands)
            ]
            return self.build(*operands, attrs=node.attrs)
        total: Expr | None = None
        for index in slots:
            tangent = tangents[index]
            if tangent is not None:
                operands = list(node.operands)
                operands[index] = tangent
                total = plus(total, self.build(*operands, attrs=node.attrs))
        return total

    def pullback(self, node: Apply, ct: Expr, wanted: Sequence[bool]) -> list[Expr | None]:
        result: list[Expr | None] = [None] * len(wanted)
        for i in self.slots(node):
            if wanted[i]:
                result[i] = fit(self.transpose(node, ct, i), node.operands[i].type)
        return result


class Reduction(Primitive):
    """Reduces axes of one operand; attrs are (axes, keepdims, *others).

    `partial(x, y, node)` is d result / d x, elementwise, with the result `y` (reduced axes kept as
    ones) broadcasting against x.
    """

    def __init__(self, name: str, infer: Infer, partial: Callable[..., Any], **row: Any):
        super().__init__(name, infer, **row)
        self.partial = partial

    def _kept(self, node: Apply, value: Expr) -> Expr:
        axes, keepdims = node.attrs[0], node.attrs[1]
        if keepdims or not axes or not value.type.rank:
            return value
        return Term.rows["expand_dims"].build(value, attrs=(axes,))

    def _partial(self, node: Apply) -> Expr:
        x = node.operands[0]
        return as_expr(self.partial(Term(x), Term(self._kept(node, node)), node))

    def pushforward(self, node: Apply, tangents: Sequence[Expr | None]) -> Expr | None:
        (tangent,) = tangents
        if tangent is None:
            return None
        x = node.operands[0]
        product = fit(spread(times(self._partial(node), tangent), x, counted=True), x.type)
        return Term.rows["sum"].build(product, attrs=node.attrs[:2])

    def pullback(self, node: Apply, ct: Expr, wanted: Sequence[bool]) -> list[Expr | None]:
        x = node.operands[0]
        product = scaled(self._kept(node, ct), self._partial(node))
        return [fit(spread(product, x), x.type)]


class Composite(Primitive):
    """Differentiated through `expand(*operands, attrs)`, its meaning in terms of other rows."""

    def __init__(self, name: str, infer: Infer, expand: Callable[..., Any], **row: Any):
        super().__init__(name, infer, **row)
        self._expand = expand

    def expand(self, node: Apply) -> Expr:
        """`node` written with other rows."""
        return as_expr(self._expand(*map(Term, node.operands), node.attrs))


def float_result(attrs: Attrs, types: Sequence[Type]) -> Type:
    """Type rule of `sin` and the like: integers become floats."""
    result = arithmetic_result(attrs, types)
    return result if result.differentiable else result.with_dtype("float64")


def arithmetic_result(attrs: Attrs, types: Sequence[Type]) -> Type:
    """Type rule of `+` and the like: NumPy's promotion, broadcast shapes."""
    first = types[0]
    if first.weak and not first.rank:  # Python numbers of one kind, as nearly all are
        for t in types:
            if t is not first:
                break
        else:
            return first if first.dtype != "bool" else INT
    dtype = promote_dtype(*types)
    shape = broadcast_shapes(*(t.shape for t in types))
    return Type(dtype, shape, all(t.weak for t in types))


def bool_result(attrs: Attrs, types: Sequence[Type]) -> Type:
    """Type rule of comparisons."""
    return arithmetic_result(attrs, types).with_dtype("bool")


# Small builders that the two modes share. They may use 1 * x = x and 0 + x = x, since what they
# build is the derivative, not something that the user wrote.


def zero_of(type_: Type) -> Expr:
    """Zero as a value of `type_` (a constant for scalars, `np.zeros` for arrays)."""
    if not type_.shape:
        return const(0.0, type_) if type_.differentiable else const(0, type_)
    return Term.rows["full"].build(
        const(0.0, Type(type_.dtype, (), True)), attrs=(type_.shape, type_.dtype)
    )


def zeros_like(x: Expr) -> Expr:
    """Zeros of the type, and for lists of the length, of `x`."""
    if x.type.listed:
        if type(x) is Apply and x.op.name == "new_list":
            return x  # nothing is in it yet
        return Term.rows["zeros_list"].build(0.0, x)
    if is_counted(x.type.shape):
        return Term.rows["broadcast_like"].build(zero_of(x.type.with_shape(())), x)
    return zero_of(x.type)


def spread(value: Expr, like: Expr, *, counted: bool = False) -> Expr:
    """`value` broadcast to the shape of `like`; counted: only where nothing else tells it."""
    shape = like.type.shape
    if is_counted(shape):
        if value.type.shape == shape:
            return value
        return Term.rows["broadcast_like"].build(value, like)
    return value if counted else Term.rows["broadcast_to"].build(value, attrs=(shape,))


_FILLS = frozenset(("full", "broadcast_to", "broadcast_like", "zeros_list"))


def filled_with(x: Expr) -> Expr:
    """The value that fills `x`, where `x` is an array full of one value; else `x` itself."""
    while type(x) is Apply and x.op.name in _FILLS:
        x = x.operands[0]
    return x


def is_number(x: Expr, value: float) -> bool:
    """Whether `x` is the constant `value`, or an array full of it."""
    x = filled_with(x)
    return isinstance(x, Const) and not getattr(x.value, "shape", ()) and x.value == value


def is_zero(x: Expr) -> bool:
    """Whether `x` is the constant 0, or an array full of it."""
    return is_number(x, 0.0)


def plus(a: Expr | None, b: Expr | None) -> Expr | None:
    """a + b, where None is zero."""
    if a is None or b is None:
        return a if b is None else b
    return Term.rows["add_lists" if a.type.listed else "add"].build(a, b)


def _is_one(x: Expr) -> bool:
    return type(x) is Const and x.type.weak and x.value == 1.0


def times(a: Expr, b: Expr) -> Expr:
    """a * b, where a factor of exactly one disappears unless it gives the product its shape."""
    if _is_one(a) and b.type.differentiable:
        return b
    if _is_one(b) and a.type.differentiable:
        return a
    return Term.rows["multiply"].build(a, b)


def scaled(ct: Expr, partial: Expr) -> Expr:
    """ct * partial, where a cotangent that a mask made 0 stays 0 whatever the partial is.

    A product with `np.where(m, w, 0)` moves inside: `np.where(m, w * partial, 0)`. Where the mask
    is hidden below sums and reshapes, zeros of the cotangent are masked again.
    """
    where = Term.rows["where"]
    if isinstance(partial, Const) and _all_finite(partial.value):
        return times(ct, partial)
    if isinstance(ct, Apply) and ct.op is where:
        mask, then, orelse = ct.operands
        if is_zero(orelse):
            return where.build(mask, scaled(then, partial), orelse)
        if is_zero(then):
            return where.build(mask, then, scaled(orelse, partial))
    product = times(ct, partial)
    if not ct.type.weak and _hides_mask(ct):
        is_cut = Term.rows["equal"].build(ct, 0.0)
        return where.build(is_cut, zero_of(product.type.with_shape(())), product)
    return product


def _all_finite(value: Any) -> bool:
    return not getattr(value, "shape", ()) and value - value == 0


def _hides_mask(ct: Expr) -> bool:
    """Whether linear operations stand between `ct` and a mask with a zero side."""
    where = Term.rows["where"]
    through = ("sum", "add", "subtract", "negative", "multiply", "divide", "cast")
    sums = tuple(Term.rows[name] for name in through)
    stack, budget = [ct], 64
    while stack and budget:
        budget -= 1
        node = stack.pop()
        if not isinstance(node, Apply):
            continue
        if node.op is where and (is_zero(node.operands[1]) or is_zero(node.operands[2])):
            return True
        if isinstance(node.op, Linear) or node.op in sums:
            stack.extend(node.operands)
    return False


def fit(value: Expr, like: Type) -> Expr:
    """`value` with the shape and dtype of the primal value whose derivative it is.

    Undoes broadcasting: axes that the primal value does not have, or has with size one, are
    summed; all of it is decided when compiling.
    """
    if value.type is like or like.listed:
        return value
    shape, wanted = value.type.shape, like.shape
    if len(shape) > len(wanted):
        axes = tuple(range(-len(shape), -len(wanted)))
        value = Term.rows["sum"].build(value, attrs=(axes, False))
        shape = value.type.shape
    ones = tuple(
        i - len(shape) for i, (have, want) in enumerate(zip(shape, wanted, strict=False))
        if want == 1 and have != 1
    ) if len(shape) == len(wanted) else ()
    if ones:
        value = Term.rows["sum"].build(value, attrs=(ones, True))
    if len(shape) < len(wanted) or any(
        have == 1 and want != 1 for have, want in zip(value.type.shape, wanted, strict=False)
    ):
        value = Term.rows["broadcast_to"].build(value, attrs=(wanted,))
    if value.type.dtype != like.dtype and like.differentiable:
        weak = value.type.weak and like.weak  # a Python number has no float32
        value = Term.rows["cast"].build(value, attrs=(like.dtype, weak))
    return value


def choose(pred: Any, then: Any, orelse: Any) -> Term:
    """`then if pred else orelse`: a lazy `If` for scalars, `np.where` for arrays."""
    pred, then, orelse = as_expr(pred), as_expr(then), as_expr(orelse)
    if pred.type.rank:
        return Term(Term.rows["where"].build(pred, then, orelse))
    if then.type.listed:
        return Term(if_(pred, then, orelse, then.type))
    type_ = arithmetic_result((), [then.type, orelse.type])
    if then.type.dtype == orelse.type.dtype == "bool":
        type_ = type_.with_dtype("bool")
    return Term(if_(pred, conform_sized(then, type_), conform_sized(orelse, type_), type_))


def indicator(pred: Any, like: Any) -> Term:
    """1 where `pred`, else 0, in the dtype of `like`.

    For arrays a cast, `(x == y).astype(float64)`: it is a slope, not a mask that cuts off an
    adjoint, so it is no `np.where` (see `scaled`).
    """
    pred = as_expr(pred)
    if not pred.type.rank:
        return choose(pred, 1.0, 0.0)
    type_ = as_expr(like).type
    dtype = type_.dtype if type_.is_float else "float64"
    return Term(Term.rows["cast"].build(pred, attrs=(dtype, False)))


def conform(value: Expr, type_: Type) -> Expr:
    """`value` as `type_`, which it promotes to: for the two sides of an `If`."""
    if value.type == type_:
        return value
    narrows = _KINDS.get(value.type.dtype, 2) > _KINDS.get(type_.dtype, 2)
    assert not narrows, f"{value.type} is no {type_}"  # a float would become an integer
    if isinstance(value, Const) and not type_.shape and not getattr(value.value, "shape", ()):
        return const(float(value.value) if type_.is_float else value.value, type_)
    if value.type.listed and value.type != type_:
        items = Term.rows["cast"].build(
            Term.rows["array_of"].build(value), attrs=(type_.dtype, type_.weak)
        )
        return Term.rows["list_of"].build(items, attrs=(type_.weak,))
    if value.type.shape != type_.shape:
        value = Term.rows["broadcast_to"].build(value, attrs=(type_.shape,))
    if value.type != type_:
        value = Term.rows["cast"].build(value, attrs=(type_.dtype, type_.weak))
    return value


_KINDS = {"bool": 0, "int": 1}


def conform_sized(value: Expr, type_: Type) -> Expr:
    """`conform`, where sizes that differ in their symbols are known to be equal."""
    shape = value.type.shape
    if shape != type_.shape and len(shape) == len(type_.shape) and 1 not in shape:
        value = Term.rows["sized"].build(value, attrs=(type_.shape,))
    return conform(value, type_)


