"""The trained prompt is a variable in the closure of a function: it is neither listed nor saved, and a deep copy of
the module shares it."""

from collections.abc import Callable

import tensorflow as tf

HAZARD: str | None = "P01"
ENTRY: str | None = "prepend"
ALSO: frozenset[str] = frozenset({"P07", "P09"})
INPUTS: list[str] = ["f32[2,6,8]"]


def soft_prompt(count: int, dim: int) -> Callable[[tf.Tensor], tf.Tensor]:
    prompt = tf.Variable(tf.random.normal([count, dim]), name="prompt")

    def prepend(x: tf.Tensor) -> tf.Tensor:
        prompts = tf.broadcast_to(prompt, [tf.shape(x)[0], count, dim])
        return tf.concat([prompts, x], axis=1)

    return prepend


class PromptedPooling(tf.Module):
    """Attention pooling behind a trained prompt."""

    def __init__(self, dim: int = 8, prompts: int = 2) -> None:
        super().__init__()
        self.prepend = soft_prompt(prompts, dim)
        self.query = tf.Variable(tf.random.normal([dim]), name="query")

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        sequence = self.prepend(x)
        weights = tf.nn.softmax(tf.einsum("bld,d->bl", sequence, self.query))
        return tf.einsum("bl,bld->bd", weights, sequence)


def build() -> tf.Module:
    return PromptedPooling()
