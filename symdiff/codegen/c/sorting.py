"""Sorting in generated C, for each type of element, as NumPy has it: stable, nan last."""

from __future__ import annotations

from string import Template

_PRECEDES = Template("""\
/* Whether a comes before b; nan comes last. */
static inline bool precedes_$name($type a, $type b)
{
    return $test;
}""")
_ARGSORT = Template("""\
/* The places of the elements of x in ascending order; equal ones stay in theirs. Short runs are
   sorted by insertion, then merged. */
static void argsort_$name(const $type *x, int64_t n, int64_t *order, int64_t *spare)
{
    const int64_t run = 16;
    int64_t *from = order, *to = spare;
    for (int64_t i = 0; i < n; i++) {
        int64_t k = i;
        for (; k % run != 0 && precedes_$name(x[i], x[order[k - 1]]); k--)
            order[k] = order[k - 1];
        order[k] = i;
    }
    for (int64_t width = run; width < n; width *= 2) {
        for (int64_t start = 0; start < n; start += 2 * width) {
            const int64_t middle = start + width < n ? start + width : n;
            const int64_t end = middle + width < n ? middle + width : n;
            int64_t i = start, j = middle;
            for (int64_t k = start; k < end; k++) {
                const bool right = j < end && precedes_$name(x[from[j]], x[from[i]]);
                to[k] = i == middle || right ? from[j++] : from[i++];
            }
        }
        int64_t *const merged = to;
        to = from;
        from = merged;
    }
    for (int64_t i = 0; from != order && i < n; i++)
        order[i] = from[i];
}""")
_FLOAT, _INT = "a < b || (b != b && a == a)", "a < b"


def _texts() -> dict[str, tuple[tuple[str, ...], str]]:
    found: dict[str, tuple[tuple[str, ...], str]] = {}
    for name, type_, test in (
        ("double", "double", _FLOAT), ("float", "float", _FLOAT), ("int", "int64_t", _INT),
    ):  # fmt: skip
        fields = {"name": name, "type": type_, "test": test}
        found[f"precedes_{name}"] = (), _PRECEDES.substitute(fields)
        found[f"argsort_{name}"] = (f"precedes_{name}",), _ARGSORT.substitute(fields)
    return found


SORTING = _texts()
