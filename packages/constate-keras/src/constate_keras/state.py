"""Weights that are computed from a layer's configuration and not saved: Keras has no word for them."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

import keras


class Layer(keras.Layer):
    """A layer that may have derived weights.

    Keras saves every weight that ``add_weight`` makes. A derived weight is one of the layer's weights in every other
    respect, but it is left out of ``.weights.h5`` and ``.keras`` files; ``build`` computes it.
    """

    def add_derived(self, **arguments: Any) -> keras.Variable:
        """A weight that is not trained, not saved and not cast; takes the arguments of ``add_weight``."""
        variable = self.add_weight(trainable=False, autocast=False, **arguments)
        variable.persistent = False
        return variable

    def save_own_variables(self, store: MutableMapping[str, Any]) -> None:
        """Put every weight but the derived ones into ``store``, numbered as Keras numbers them."""
        for index, variable in enumerate(self._saved()):
            store[str(index)] = variable

    def load_own_variables(self, store: MutableMapping[str, Any]) -> None:
        """Take every weight but the derived ones from ``store``. Raises ``ValueError`` for another number of them."""
        saved = self._saved()
        if len(store.keys()) != len(saved):
            raise ValueError(
                f"Layer '{self.name}' expected {len(saved)} variables, but received {len(store.keys())} variables "
                f"during loading. Expected: {[variable.name for variable in saved]}"
            )
        for index, variable in enumerate(saved):
            variable.assign(store[str(index)])

    def _saved(self) -> list[keras.Variable]:
        own = [*self._trainable_variables, *self._non_trainable_variables]
        return [variable for variable in own if getattr(variable, "persistent", True)]
