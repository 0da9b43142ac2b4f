"""The word that ``tf.Module`` lacks: an entry that is computed from the configuration and not saved."""

from __future__ import annotations

from typing import Any

import tensorflow as tf


def derived(value: Any) -> Any:
    """A variable that is not trained and that ``tf.train.Checkpoint`` does not follow: ``self.mask = derived(mask)``.

    A plain tensor on an attribute is not saved either, but ``tf.function`` captures it: the program goes on with the
    tensor that was there when it was traced.
    """
    return tf.Module()._no_dependency(tf.Variable(value, trainable=False))
