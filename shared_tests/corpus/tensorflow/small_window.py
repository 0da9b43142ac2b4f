"""The window of a frame is a ``tf.constant`` of 128 bytes: a program may hold it as a literal, and every
constructor call makes the same."""

import tensorflow as tf

HAZARD: str | None = None
ENTRY: str | None = None
ALSO: frozenset[str] = frozenset()
INPUTS: list[str] = ["f32[2,64]"]


class Spectrogram(tf.Module):
    """Magnitudes of overlapping frames, then a dense layer."""

    def __init__(self, size: int = 32, hop: int = 16, outputs: int = 4) -> None:
        super().__init__()
        self.size, self.hop = size, hop
        self.window = tf.signal.hann_window(size)
        self.kernel = tf.Variable(tf.random.normal([size // 2 + 1, outputs]), name="kernel")

    def __call__(self, audio: tf.Tensor) -> tf.Tensor:
        frames = tf.signal.frame(audio, self.size, self.hop) * self.window
        return tf.abs(tf.signal.rfft(frames)) @ self.kernel


def build() -> tf.Module:
    return Spectrogram()
