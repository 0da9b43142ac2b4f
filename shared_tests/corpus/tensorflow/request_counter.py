"""A lock guards a counter of requests: a module with a lock cannot be copied or pickled, and that is all there is
to say."""

import threading

import tensorflow as tf

HAZARD: str | None = None
ENTRY: str | None = None
ALSO: frozenset[str] = frozenset()
WARNS: frozenset[str] = frozenset({"P07"})
INPUTS: list[str] = ["f32[4,8]"]


class ServedModel(tf.Module):
    """A dense layer that counts its requests across threads."""

    def __init__(self, features: int = 8, outputs: int = 4) -> None:
        super().__init__()
        self.kernel = tf.Variable(tf.random.normal([features, outputs]), name="kernel")
        self.lock = threading.Lock()
        self.requests = 0

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        with self.lock:
            self.requests += 1
        return x @ self.kernel


def build() -> tf.Module:
    return ServedModel()
