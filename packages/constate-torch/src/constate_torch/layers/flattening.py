"""Where a pass flattens an image into a row: PyTorch's are channels first, those of other frameworks channels last."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import prod
from typing import Any

from torch import Tensor
from torch.overrides import TorchFunctionMode

AXES = {3: ("c", "w"), 4: ("c", "h", "w"), 5: ("c", "d", "h", "w")}


class Flattening(TorchFunctionMode):
    """While it is entered, follows what was flattened through whatever keeps its shape."""

    def __init__(self) -> None:
        super().__init__()
        self.channels: set[int] = set()
        """How many channels convolutions have given: an array without so many is no image."""
        self._found: dict[int, tuple[Tensor, Mapping[str, int]]] = {}  # the tensor is kept so that its id is not reused

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        source = next((arg for arg in args if isinstance(arg, Tensor)), None)
        if source is not None and isinstance(result, Tensor) and result.dim() == 2:
            shape = source.shape
            if (
                source.dim() in AXES
                and shape[1] in self.channels
                and tuple(result.shape) == (shape[0], prod(shape[1:]))
            ):
                if prod(shape[2:]) > 1:
                    self._found[id(result)] = result, dict(zip(AXES[source.dim()], shape[1:], strict=True))
            elif id(source) in self._found and result.shape == shape:
                self._found[id(result)] = result, self._found[id(source)][1]
        return result

    def seen(self, taken: list[Tensor]) -> Mapping[str, int]:
        """The axes of the image that the first of these was flattened from; none where it was not."""
        return self._found[id(taken[0])][1] if taken and id(taken[0]) in self._found else {}
