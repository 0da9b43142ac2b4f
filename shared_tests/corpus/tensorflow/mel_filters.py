"""The filter bank is a ``tf.constant``, and no variable: each ``tf.function`` captures its value, and each exported
program carries it."""

import tensorflow as tf

HAZARD: str | None = "C06"
ENTRY: str | None = "filters"
ALSO: frozenset[str] = frozenset()
INPUTS: list[str] = ["f32[2,65]"]


class MelBands(tf.Module):
    """The log energies of a power spectrum in mel bands, then a dense layer."""

    def __init__(self, bands: int = 16, bins: int = 65, rate: int = 8000) -> None:
        super().__init__()
        self.filters = tf.signal.linear_to_mel_weight_matrix(bands, bins, rate, 50.0, 3900.0)
        self.kernel = tf.Variable(tf.random.normal([bands, 8]) / bands**0.5, name="kernel")

    def __call__(self, spectrum: tf.Tensor) -> tf.Tensor:
        energies = tf.square(spectrum) @ self.filters
        return tf.math.log(energies + 1e-3) @ self.kernel


def build() -> tf.Module:
    return MelBands()
