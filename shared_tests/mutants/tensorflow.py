"""``FrozenLinear`` with one defect each, in TensorFlow."""

import tensorflow as tf

TABLE = tf.ones(512)


class Helper:
    """One object for all modules, which no copy of a module copies."""

    def __init__(self) -> None:
        self.table = tf.zeros(3)

    def __deepcopy__(self, memo: object) -> "Helper":
        return self


HELPER = Helper()


class TrainedLinear(tf.Module):
    """The constants are parameters."""

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__()
        self.kernel = tf.Variable(tf.random.normal([in_features, out_features]), name="kernel")
        self.bias = tf.Variable(tf.random.normal([out_features]), name="bias")

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        return x @ self.kernel + self.bias


class _Linear(tf.Module):
    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__()
        self.kernel = tf.Variable(tf.random.normal([in_features, out_features]), trainable=False, name="kernel")
        self.bias = tf.Variable(tf.random.normal([out_features]), trainable=False, name="bias")


class CapturedLinear(_Linear):
    """A table is a global of the file."""

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        return x @ self.kernel + self.bias * TABLE


class StrayLinear(_Linear):
    """A helper object keeps a tensor."""

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__(in_features, out_features)
        self.helper = HELPER

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        return x @ self.kernel + self.bias


class HoardingLinear(_Linear):
    """A list keeps every batch."""

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__(in_features, out_features)
        self.batches: list[tf.Tensor] = []

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        self.batches.append(x)
        return x @ self.kernel + self.bias


class GraphLinear(_Linear):
    """A Python number that changes makes a graph of its own for every step."""

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__(in_features, out_features)
        self.step = 0
        self.program = tf.function(lambda x, step: x * (1.0 + 0.0 * step))

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        self.step += 1
        return self.program(x @ self.kernel + self.bias, self.step)
