"""Loops whose rounds do not depend on each other lose their branches and their early ends.

    for i:                                        if 0 < n and n > m: fail
        if i >= m: fail                           for i:
        t = x[i]                                      t = x[i]
        if t <= 0.0: fail                 ->          bad |= t <= 0.0
        if t > 1.0: y = sqrt(t)                       y = t > 1.0 ? sqrt(t) : t
        else: y = t                               if bad: fail

Then they can be SIMD. A check that memory is not left must come before; where its index runs with
the loop, its last value is checked before the loop. The others wait until the loop is over: it has
computed NaN or infinity meanwhile, and nobody sees it. Of several faults in one loop it may then
be another that is reported than the one that comes first.
"""

from __future__ import annotations

from symdiff.ir.nest import (
    Branch,
    Buffer,
    Declare,
    Each,
    Fail,
    Forever,
    Let,
    Load,
    Local,
    Num,
    Op,
    Ref,
    Set,
    Statement,
    Store,
    Term,
    blocks_of,
    statements,
    substituted,
    subterms,
    with_terms,
)
from symdiff.lower.access import access_of, has_leave
from symdiff.lower.affine import Known
from symdiff.lower.guards import checked_before
from symdiff.lower.parallel import sums_of
from symdiff.lower.places import changing, is_steady

_COSTLY = 60  # operations of a side that may be computed in vain


def straighten(body: list[Statement], known: Known) -> None:
    """Straighten the independent loops of a block and of those inside of it, in place."""
    result: list[Statement] = []
    for s in body:
        for inner in blocks_of(s):
            straighten(inner, known)
        if isinstance(s, Each) and not has_leave(s.body):
            result += _lifted(s)
            result += _hoisted(s, known)
            _choose_sums(s.body)
            if sums_of(s, known, checks=False) is not None:
                result += checked_before(s)
            if _is_independent(s, known):
                _choose(s.body)
                _turn(s, known)
                result += _deferred(s, known)
                continue
        result.append(s)
    body[:] = result


def _is_independent(loop: Each, known: Known) -> bool:
    if any(
        isinstance(s, Forever) or (isinstance(s, Fail) and s.guard) for s in statements(loop.body)
    ):
        return False
    return sums_of(loop, known, checks=False, adding=True) is not None


def _turn(loop: Each, known: Known) -> None:
    """A loop that runs down runs up."""
    if loop.step == -1:
        first, last = (
            known.shortest(Op("{0} + {1}", (x, Num(1, "int")), "int"))
            for x in (loop.stop, loop.start)
        )
        loop.start, loop.stop, loop.step = first, last, 1


# What comes before.


def _lifted(loop: Each) -> list[Statement]:
    """The integers that all rounds have alike, taken out of a loop: bounds of those inside."""
    writes = access_of(loop.body).writes | {loop.index}
    found: list[Statement] = []
    for s in loop.body:
        if not isinstance(s, Let) or s.local.dtype != "int" or not _is_sum(s.value):
            continue
        if not any(isinstance(p, Ref) and p.local in writes for p in subterms(s.value)):
            found.append(s)
            writes.discard(s.local)
    loop.body[:] = [s for s in loop.body if s not in found]
    return found


def _is_sum(term: Term) -> bool:
    """Whether a term is made of variables by sums and products: it is safe where no round runs."""
    codes = ("{0} + {1}", "{0} - {1}", "{0} * {1}")
    return not any(
        isinstance(p, Load) or (isinstance(p, Op) and p.code not in codes) for p in subterms(term)
    )


def _hoisted(loop: Each, known: Known) -> list[Fail]:
    """The checks of a loop that its bounds decide, for before it."""
    own = access_of(loop.body).writes | {loop.index}
    low, high = (loop.start, loop.stop) if loop.step > 0 else (loop.stop, loop.start)
    last: Term | None = loop.start if loop.step < 0 else None  # the greatest index
    if loop.step == 1:
        last = Op("{0} - {1}", (loop.stop, Num(1, "int")), "int")
    some = Op("{0} < {1}", (low, high), "bool")
    span = Op("{0} - {1}", (high, low), "int")
    found: list[Fail] = []
    kept: list[Statement] = []
    for s in loop.body:
        if isinstance(s, Fail) and s.guard:
            test = _at_last(s.test, loop.index, last, known)
            reads = {p.local for p in subterms(test) if isinstance(p, Ref)} if test else own
            if test is not None and not reads & own:
                if not known.at_least(span, 1):
                    test = Op("{0} && {1}", (some, test), "bool")
                if all(other.test != test for other in found):
                    found.append(Fail(test, s.fault, True))
                continue
        kept.append(s)
    loop.body[:] = kept
    return found


def _at_last(test: Term, index: Local, last: Term | None, known: Known) -> Term | None:
    """What a check of an index finds where that is greatest, if it finds it in any round."""
    reads = {p.local for p in subterms(test) if isinstance(p, Ref)}
    if index not in reads:
        return test
    if last is None or not isinstance(test, Op) or test.code != "{0} >= {1}":
        return None
    where, limit = test.args
    form = known.form(where)
    if form is None or form.get(index, 0) <= 0:
        return None
    if index in {p.local for p in subterms(limit) if isinstance(p, Ref)}:
        return None
    if index not in {p.local for p in subterms(where) if isinstance(p, Ref)}:
        return None
    return Op(test.code, (substituted(where, {index: last}), limit), "bool")


# Branches.


def _choose(body: list[Statement]) -> None:
    """Compute both sides of the branches that allow it."""
    result: list[Statement] = []
    for s in body:
        for inner in blocks_of(s):
            _choose(inner)
        if isinstance(s, Branch) and _is_plain(s):
            result += _choice(s, result)
        else:
            result.append(s)
    body[:] = result


def _choose_sums(body: list[Statement]) -> None:
    """What a branch adds to a sum, or does not, is a number that is added in any case."""
    meaning = {s.local: s.value for s in body if isinstance(s, Let)}
    chosen: dict[Local, tuple[Term, dict[Local, Term], dict[Local, Term]]] = {}
    changing: set[Local | Buffer] = {
        s.local if isinstance(s, Set) else s.buffer
        for s in statements(body) if isinstance(s, (Set, Store))
    }  # fmt: skip
    for s in body:
        if isinstance(s, Branch) and _is_plain(s):
            sides = [
                {x.local: x.value for x in side if isinstance(x, (Let, Set))}
                for side in (s.then, s.orelse)
            ]
            for x in (*s.then, *s.orelse):
                if isinstance(x, Set):
                    chosen[x.local] = (s.test, sides[0], sides[1])
    for k, s in enumerate(body):
        if not isinstance(s, Set) or not isinstance(s.value, Ref) or s.value.local not in chosen:
            continue
        kind = s.local.dtype
        test, then, orelse = chosen[s.value.local]
        own, zero = Ref(s.local), Num(0.0 if kind.startswith("float") else 0, kind)
        x = _added(_resolved(s.value, {**meaning, **then}, own), own, zero)
        y = _added(_resolved(s.value, {**meaning, **orelse}, own), own, zero)
        if x is not None and y is not None and _is_steady((test, x, y), changing):
            amount = Op("{0} ? {1} : {2}", (test, x, y), kind)
            body[k] = Set(s.local, Op("{0} + {1}", (own, amount), kind), s.line)


def _is_steady(terms: tuple[Term, ...], changing: set[Local | Buffer]) -> bool:
    """Whether terms are the same wherever in a round they are computed."""
    for term in terms:
        for part in subterms(term):
            if isinstance(part, Ref) and part.local in changing:
                return False
            if isinstance(part, Load) and part.buffer in changing:
                return False
    return True


def _resolved(term: Term, meaning: dict[Local, Term], own: Ref) -> Term:
    """What a variable is, by its definitions."""
    for _ in range(8):
        if not isinstance(term, Ref) or term == own or term.local not in meaning:
            break
        term = meaning[term.local]
    return term


def _added(term: Term, own: Ref, zero: Num) -> Term | None:
    """What is added to `own`; None where it is something else."""
    if term == own:
        return zero
    if isinstance(term, Op) and term.code == "{0} + {1}" and term.args[0] == own:
        return None if own in subterms(term.args[1]) else term.args[1]
    return None


def _is_plain(branch: Branch) -> bool:
    """Whether a branch only computes numbers, and not too many."""
    cost = 0
    for side in (branch.then, branch.orelse):
        for s in side:
            if not isinstance(s, (Let, Set, Fail, Declare)) or (isinstance(s, Fail) and s.guard):
                return False
            if isinstance(s, (Let, Set)):
                cost += sum(1 for p in subterms(s.value) if isinstance(p, Op))
        seen: set[Local] = set()
        for s in side:
            if isinstance(s, Set):
                if s.local in seen:
                    return False
                seen.add(s.local)
    return cost <= _COSTLY * 4


def _choice(branch: Branch, before: list[Statement]) -> list[Statement]:
    result: list[Statement] = []
    test: Term = branch.test
    if not isinstance(test, (Ref, Num)):
        local = Local("t", "bool")
        result.append(Let(local, test, branch.line))
        test = Ref(local)
    sides: list[dict[Local, Term]] = []
    order: dict[Local, None] = {}
    declared = {s.local for s in before if isinstance(s, Declare)}
    for side, holds in ((branch.then, True), (branch.orelse, False)):
        given: dict[Local, Term] = {}
        for s in side:
            match s:
                case Declare():
                    result.append(s)
                case Let(local, value, line):
                    result.append(Let(local, substituted(value, given), line))
                case Fail(check, fault):
                    check = substituted(check, given)
                    where = test if holds else Op("!{0}", (test,), "bool")
                    result.append(Fail(Op("{0} && {1}", (where, check), "bool"), fault))
                case Set(local, value, line):
                    value = substituted(value, given)
                    if not isinstance(value, (Ref, Num)):
                        fresh = Local(local.name, local.dtype)
                        result.append(Let(fresh, value, line))
                        value = Ref(fresh)
                    given[local] = value
                    order[local] = None
                case _:
                    raise AssertionError("only numbers are computed in a plain branch")
        sides.append(given)
    for local in order:
        then, orelse = (side.get(local) for side in sides)
        if local in declared and then is not None and orelse is not None:
            before[:] = [s for s in before if not (isinstance(s, Declare) and s.local is local)]
        a = Ref(local) if then is None else then
        b = Ref(local) if orelse is None else orelse
        if (then is None or orelse is None) and local in declared:
            result.append(Set(local, b if then is None else a, branch.line))
        else:
            value = a if a == b else Op("{0} ? {1} : {2}", (test, a, b), local.dtype)
            result.append(Set(local, value, branch.line))
    return result


# Checks that wait.


def _deferred(loop: Each, known: Known) -> list[Statement]:
    """The loop with its checks after it; those of what no round changes come before."""
    flags: dict[int, Local] = {}
    early: list[Statement] = []
    access = access_of(loop.body)
    other = changing(loop, access) | {loop.index}
    for s in list(loop.body):
        if isinstance(s, Fail) and is_steady([s.test], other, set(access.writes)):
            some = Op("{0} < {1}", (loop.start, loop.stop), "bool")
            sure = known.at_least(Op("{0} - {1}", (loop.stop, loop.start), "int"), 1)
            if loop.step == 1:
                loop.body.remove(s)
                test = s.test if sure else Op("{0} && {1}", (some, s.test), "bool")
                early.append(Fail(test, s.fault))
    _share_flags(loop.body, flags)
    stack = [loop.body]
    while stack:
        block = stack.pop()
        for k, s in enumerate(block):
            if isinstance(s, Fail):
                flag = flags.setdefault(s.fault, Local("bad", "int"))
                block[k] = Set(flag, Op("{0} | {1}", (Ref(flag), s.test), "int"))
            stack.extend(blocks_of(s))
    before: list[Statement] = [Set(flag, Num(0, "int")) for flag in flags.values()]
    after = [Fail(Op("{0} != 0", (Ref(flag),), "bool"), fault) for fault, flag in flags.items()]
    return [*early, *before, loop, *after]


def _share_flags(body: list[Statement], flags: dict[int, Local]) -> None:
    """What loops inside of a loop have found, they find for all of its rounds, in one variable."""
    found: dict[Local, Local] = {}
    starts: set[int] = set()
    kept: list[Statement] = []
    last: dict[Local, Statement] = {s.local: s for s in body if isinstance(s, Set)}
    for s in body:
        test = s.test if isinstance(s, Fail) else None
        if isinstance(s, Fail) and isinstance(test, Op) and test.code == "{0} != 0":
            flag = test.args[0]
            start = last.get(flag.local) if isinstance(flag, Ref) else None
            if isinstance(start, Set) and start.value == Num(0, "int"):
                common = flags.setdefault(s.fault, Local("bad", "int"))
                found[start.local] = common
                starts.add(id(start))
                continue
        kept.append(s)
    body[:] = [s for s in kept if id(s) not in starts]
    for s in statements(body):
        if isinstance(s, Set) and s.local in found:
            s.local = found[s.local]
        with_terms(s, lambda t: substituted(t, {a: Ref(b) for a, b in found.items()}))
