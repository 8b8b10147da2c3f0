"""Lists, tuples, dicts, sets

Containers exist when compiling; the generated code has only the numbers in them. The function may
change those that it makes itself.
"""

from tests.language import refuses, shows

SHARED = [1.0, 2.0]


@shows(0.7, -0.4)
def displays(x, y):
    """Displays"""
    a, b, c = [x, y], (x * y,), {"k": x}
    return a[0] * a[1] + b[0] * c["k"]


@shows(0.7, -0.4)
def stars_in_displays(x, y):
    """`*` and `**` in displays"""
    items = [*(x, y), x * y, *[2.0]]
    table = {**{"a": x}, "b": y, **{"a": y}}
    return items[2] * items[3] * table["a"] + table["b"]


@shows(0.7, -0.4)
def indexing(x, y):
    """Indices, negative too"""
    items = [x, y, x * y]
    return items[0] * items[-1] + items[-2]


@shows(0.7, -0.4)
def slicing(x, y):
    """Slices with steps"""
    items = [x, y, x * y, 2.0]
    a, b = items[1:3], items[::-2]
    return a[0] * a[1] + b[0] * b[1]


@shows(0.7, -0.4)
def appending(x, y):
    """`append`, `extend`, `insert`"""
    items = [x]
    items.append(y)
    items.extend((x * y, 2.0))
    items.insert(0, 3.0)
    return items[0] * items[1] * items[2] * items[3] * items[4]


@shows(0.7, -0.4)
def popping(x, y):
    """`pop`, `remove`, `clear`"""
    items, names = [x, y, x * y], ["a", "b"]
    last, first = items.pop(), items.pop(0)
    names.remove("a")
    rest = items.copy()
    items.clear()
    return last * first * rest[0] + len(items) + len(names)


@shows(0.7, -0.4)
def rearranging(x, y):
    """`reverse`, `copy`"""
    items = [x, y, 2.0]
    other = items.copy()
    items.reverse()
    return items[0] * items[2] ** 2 + other[0] * other[2]


@shows(0.7)
def sorting(x):
    """`sort` of static values, `index`, `count`"""
    order = [3, 1, 2, 1]
    order.sort(reverse=True)
    return x ** order[0] * order.index(1) * order.count(1)


@shows(0.7, -0.4)
def deleting(x, y):
    """`del` of an item and of a slice"""
    items = [x, y, 3.0, 4.0]
    del items[2]
    del items[:1]
    return items[0] * items[1] * x


@shows(0.7, -0.4)
def slice_assignment(x, y):
    """Assignment to slices, extended ones too"""
    items = [0.0, 1.0, 2.0, 3.0]
    items[1:2] = [x, y]
    items[::2] = (y, y, x)
    return items[0] * items[1] + items[2] * items[3] + items[4]


@shows(0.7, -0.4)
def list_arithmetic(x, y):
    """`+`, `*`, `+=`, `*=` of lists"""
    items = [x] + [y] * 2
    items += (3.0,)
    items *= 2
    return items[1] * items[4] * items[7] + len(items)


@shows(0.7, -0.4)
def aliases(x, y):
    """Two names of one list"""
    items = [x]
    other = items
    other += [y]
    return items[0] * items[1] * len(items)


@shows(0.7, -0.4)
def nested(x, y):
    """Nested containers"""
    tree = {"layers": [(x, y), (y, {"bias": x})], "scale": 2.0}
    tree["layers"].append((tree["scale"],))
    return tree["layers"][1][1]["bias"] * tree["layers"][0][1] * tree["layers"][2][0]


@shows(0.7, -0.4)
def tuple_operations(x, y):
    """`+`, `*`, slices, `count`, `index` of tuples"""
    a = (x,) + (y, 2.0) * 2
    return a[1] * a[3] * a[0] + (1, 2, 2).count(2) + (1, 2).index(2) + len(a[1:])


@shows(0.7, -0.4)
def dict_methods(x, y):
    """`get`, `setdefault`, `pop`, `update`"""
    table = {"a": x}
    table.update(b=y, c=x * y)
    table.update([("d", 2.0)])
    table.setdefault("e", x)
    c = table.pop("c")
    return c * table.get("z", 3.0) + table.setdefault("a", 9.0) * table["e"] + len(table)


@shows(0.7, -0.4)
def dict_views(x, y):
    """`keys`, `values`, `items`"""
    table = {"a": x, "bb": y}
    total = sum(table.values()) * len(table.keys())
    for key, value in table.items():
        total = total + len(key) * value**2
    return total


@shows(0.7, -0.4)
def dict_merging(x, y):
    """`|` and `|=` of dicts"""
    table = {"a": x, "b": y} | {"b": x}
    same = table
    table |= {"a": y}
    return same["a"] * same["b"] ** 2


@shows(0.7, -0.4)
def dict_making(x, y):
    """`dict(...)`, `dict.fromkeys`, `copy`"""
    a = dict(p=x, q=y)
    b = dict([("p", y)], r=x)
    c = dict.fromkeys("uv", x)
    d = a.copy()
    d["p"] = 1.0
    return a["p"] * b["p"] * b["r"] * c["v"] + d["p"]


@shows(0.7)
def sets(x):
    """Sets of static values"""
    names = {"a", "b"} | {"c"}
    names.add("d")
    names.discard("a")
    if "b" in names and names >= {"c", "d"}:
        return x ** len(names)
    return x


@shows(0.7, -0.4)
def comparisons(x, y):
    """Truth and length of containers"""
    items, nothing = [x, y], {}
    return x * len(items) if items and not nothing else y


@shows(0.7)
def tables_of_static_values(x):
    """Static tables looked up by static keys"""
    table = {("a", 1): 2.0, "b": [3.0, 4.0]}
    return x ** table["a", 1] * table["b"][1]


@shows((0.7, [2.0, {"w": 3.0}]))
def as_arguments(p):
    """Tuples, lists and dicts as arguments: the derivative has their structure"""
    return p[0] * p[1][0] * p[1][1]["w"] ** 2


@shows(0.7)
def from_outside(x):
    """Reading containers from outside"""
    return x * SHARED[1] + sum(SHARED) * x * x


@refuses(0.7)
def changing_from_outside(x):
    """Changing containers from outside"""
    SHARED.append(x)
    return x * SHARED[0]


@refuses([1.0, 2.0])
def changing_an_argument(items):
    """Changing an argument's list"""
    items.append(3.0)
    return items[0] * items[1]


@refuses(0.7)
def run_time_key(x):
    """A dict key known only at run time"""
    return {x: 1.0}[x]


@shows(0.7)
def run_time_index(x):
    """A list index known only at run time"""
    return [1.0, 2.0][int(x)] * x


@refuses(0.7, -0.4)
def run_time_search(x, y):
    """`index`, `count`, `remove` of run-time values"""
    return [x, y].index(y) * x


@shows(0.7, -0.4)
def run_time_sort(x, y):
    """Sorting run-time numbers"""
    low, high = sorted([x, y])
    return low * low * high


@refuses(0.7, -0.4)
def run_time_sort_of_pairs(x, y):
    """Sorting pairs by run-time values"""
    return sorted([(x, y), (y, x)])[0][1]


@refuses(0.7)
def missing_key(x):
    """A key that a dict does not have"""
    return {"a": x}["b"]
