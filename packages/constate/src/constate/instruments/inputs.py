"""What a module is called with: descriptions such as ``f32[8,16]``, and the arrays that are drawn from them."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from constate.errors import UsageError
from constate.state import Array, dtype_named, is_float

SHORT = {
    "f16": "float16", "bf16": "bfloat16", "f32": "float32", "f64": "float64", "bool": "bool",
    "i8": "int8", "i16": "int16", "i32": "int32", "i64": "int64",
    "u8": "uint8", "u16": "uint16", "u32": "uint32", "u64": "uint64", "c64": "complex64", "c128": "complex128",
}  # fmt: skip
"""The short names of dtypes."""

_FORM = re.compile(r"(?P<dtype>[a-z]+\d*(?:_\w+)?)\[(?P<shape>[\d,\s]*)\](?:<(?P<below>[\d.e+]+))?")


@dataclass(frozen=True)
class Drawn:
    """An input that is drawn at random: normal numbers, or uniform ones from 0 up to ``below``."""

    dtype: str
    shape: tuple[int, ...]
    below: float | None = None

    @property
    def text(self) -> str:
        """As ``parse`` reads it: ``i64[8,16]<100``."""
        bound = "" if self.below is None else f"<{self.below:g}"
        return f"{self.dtype}[{','.join(map(str, self.shape))}]{bound}"

    def draw(self, rng: np.random.Generator) -> Array:
        """One draw. Integers without a bound are 0 or 1; with one, the first is 0 and the last the largest."""
        dtype = dtype_named(self.dtype)
        if self.dtype == "bool":
            return rng.integers(0, 2, self.shape).astype(dtype)
        if dtype.kind in "iu":
            top = int(self.below or 2)
            drawn = np.asarray(rng.integers(0, top, self.shape))
            if drawn.size > 1 and self.below:
                drawn.reshape(-1)[[0, -1]] = 0, top - 1
            return drawn.astype(dtype)
        if self.below is not None:
            return np.asarray(rng.uniform(0, self.below, self.shape)).astype(dtype)
        real = np.asarray(rng.standard_normal(self.shape))
        if dtype.kind == "c":
            real = real + 1j * rng.standard_normal(self.shape)
        return np.asarray(real).astype(dtype)


@dataclass(frozen=True)
class Given:
    """An array that the user gave. Other draws are permutations of it."""

    array: Array

    def draw(self, rng: np.random.Generator) -> Array:
        """The array itself is drawn by ``Inputs.first``; this is another of its shape and range."""
        flat = self.array.reshape(-1)
        mixed = flat[rng.permutation(flat.size)] if flat.size else flat
        return np.array(mixed.reshape(self.array.shape))


@dataclass(frozen=True)
class Call:
    """Positional and keyword arguments: trees of tuples, lists and dicts with arrays and other values as leaves."""

    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)

    def map(self, change: Callable[[Any], Any]) -> Call:
        """The same call with every leaf changed."""
        return Call(tuple(_map(arg, change) for arg in self.args), {k: _map(v, change) for k, v in self.kwargs.items()})

    def floats(self, change: Callable[[Array], Array]) -> Call:
        """The same call with every float array changed."""
        return self.map(lambda leaf: change(leaf) if isinstance(leaf, np.ndarray) and is_float(leaf.dtype) else leaf)


@dataclass(frozen=True)
class Inputs:
    """What a module takes, and calls of it."""

    form: Call

    def first(self) -> Call:
        """The ordinary call; arrays that the user gave as they are."""
        rng = np.random.default_rng(20150211)
        return self.form.map(
            lambda leaf: leaf.array if isinstance(leaf, Given) else leaf.draw(rng) if isinstance(leaf, Drawn) else leaf
        )

    def other(self, number: int) -> Call:
        """Another call of the same shapes; the same one for the same number."""
        rng = np.random.default_rng([20150211, number + 1])
        return self.form.map(lambda leaf: leaf.draw(rng) if isinstance(leaf, (Drawn, Given)) else leaf)

    def texts(self) -> list[str]:
        """As ``parse_all`` reads them. An array that the user gave is one that is drawn."""

        def text(leaf: Any) -> str:
            if isinstance(leaf, Given):
                leaf = Drawn(str(leaf.array.dtype), leaf.array.shape)
            return leaf.text if isinstance(leaf, Drawn) else repr(leaf)

        return [*map(text, self.form.args), *(f"{name}={text(arg)}" for name, arg in self.form.kwargs.items())]

    def _drawn(self) -> list[Drawn]:
        found: list[Drawn] = []
        self.form.map(lambda leaf: found.append(leaf) if isinstance(leaf, Drawn) else None)
        return found

    def axes(self) -> list[frozenset[tuple[int, int]]]:
        """Which dimensions may be one and the same, as sets of pairs of the number of a drawn array and an axis of it:
        those of one axis and size in all arrays, those of one size in all arrays, and each alone."""
        every = [
            (number, axis, size) for number, leaf in enumerate(self._drawn()) for axis, size in enumerate(leaf.shape)
        ]
        by_axis = [frozenset((n, a) for n, a, s in every if (a, s) == (axis, size)) for _, axis, size in every]
        by_size = [frozenset((n, a) for n, a, s in every if s == size) for _, _, size in every]
        alone = [frozenset({(number, axis)}) for number, axis, _ in every]
        return list(dict.fromkeys([*by_axis, *by_size, *alone]))

    def size(self, axes: frozenset[tuple[int, int]]) -> int:
        """The largest size of these dimensions."""
        leaves = self._drawn()
        return max(leaves[number].shape[axis] for number, axis in axes)

    def resized(self, axes: frozenset[tuple[int, int]], size: int) -> Inputs:
        """The same inputs with another size of these dimensions."""
        number = iter(range(1_000_000))

        def change(leaf: Any) -> Any:
            if not isinstance(leaf, Drawn):
                return leaf
            here = next(number)
            return replace(leaf, shape=tuple(size if (here, a) in axes else s for a, s in enumerate(leaf.shape)))

        return Inputs(self.form.map(change))


def _map(tree: Any, change: Callable[[Any], Any]) -> Any:
    if isinstance(tree, dict):
        return {key: _map(value, change) for key, value in tree.items()}
    if isinstance(tree, list):
        return [_map(value, change) for value in tree]
    if type(tree) is tuple:
        return tuple(_map(value, change) for value in tree)
    return change(tree)


def parse(text: str) -> Any:
    """``f32[8,16]`` -> a ``Drawn``; ``i64[8]<100`` draws 0 to 99; ``None``, ``True``, ``3``, ``'gelu'`` are themselves.

    Raises:
        UsageError: the text is neither.
    """
    found = _FORM.fullmatch(text.strip())
    if found is None:
        try:
            return ast.literal_eval(text.strip())
        except (ValueError, SyntaxError):
            pass
    else:
        name = SHORT.get(found["dtype"], found["dtype"])
        if name in SHORT.values():
            sizes = [part for part in found["shape"].split(",") if part.strip()]
            below = found["below"]
            return Drawn(name, tuple(int(size) for size in sizes), float(below) if below else None)
    raise UsageError(
        f"cannot read the input {text!r}: expected a dtype and a shape such as f32[8,16] or i64[2,32]<1000 "
        f"(integers below 1000), or a Python literal; dtypes are {', '.join(SHORT)}"
    )


def parse_all(texts: Sequence[str]) -> Inputs:
    """Positional descriptions, and keyword ones written ``name=f32[8,16]``."""
    args, kwargs = [], {}
    for text in texts:
        keyword = re.match(r"([A-Za-z_]\w*)=(.*)", text)
        if keyword:
            kwargs[keyword[1]] = parse(keyword[2])
        elif kwargs:
            raise UsageError(f"the input {text!r} follows one with a name; put those without a name first")
        else:
            args.append(parse(text))
    return Inputs(Call(tuple(args), kwargs))


def as_inputs(given: Any, to_array: Callable[[Any], Array | None]) -> Inputs:
    """What a user hands to ``check``: descriptions, arrays of NumPy or of the framework, other values, in any mixture.

    Args:
        given: a sequence of positional arguments, or a mapping of keyword arguments, or a pair of both.
        to_array: the NumPy array of an array of the framework, ``None`` for anything else.
    """
    if isinstance(given, Inputs):
        return given

    def leaf(item: Any) -> Any:
        if isinstance(item, str):
            return parse(item)
        if isinstance(item, (np.ndarray, np.generic)):
            return Given(np.asarray(item))
        array = to_array(item)
        return item if array is None else Given(array)

    args, kwargs = given, {}
    if isinstance(given, Mapping):
        args, kwargs = (), dict(given)
    elif isinstance(given, tuple) and len(given) == 2 and isinstance(given[0], (tuple, list)):
        if isinstance(given[1], dict):
            args, kwargs = given
    elif isinstance(given, (str, np.ndarray)) or to_array(given) is not None:
        args = (given,)
    if any(isinstance(item, str) and "=" in item for item in args):
        return parse_all(list(args))
    return Inputs(Call(tuple(args), kwargs).map(leaf))
