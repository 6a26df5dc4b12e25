"""Whether what a file held looks as it should, field by field, before anybody relies on it."""

from __future__ import annotations

NUMBER = (int, float)


def check(data, shape, where):
    """Return nothing if the data have the shape.

    :param shape: a type, or a tuple of types; ``[shape]`` for a list of such; ``{"field": shape}`` for a dictionary
        with these fields at least. A ``"field?"`` may be None, or missing.
    :param where: what the data are called.
    :raises TypeError: naming the place that differs.
    """
    outer = type(shape) if isinstance(shape, (dict, list)) else shape
    if not isinstance(data, outer):
        raise TypeError(f"{where} is missing" if data is None else f"{where} is {data!r:.60}")
    if isinstance(shape, list):
        for number, item in enumerate(data):
            check(item, shape[0], f"{where}[{number}]")
    elif isinstance(shape, dict):
        for field, inner in shape.items():
            name = field.rstrip("?")
            if data.get(name) is not None or name == field:
                check(data.get(name), inner, f"{where}.{name}")
