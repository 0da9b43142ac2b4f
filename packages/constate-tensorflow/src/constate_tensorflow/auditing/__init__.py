"""What an audit does with any ``tf.Module``."""

from constate_tensorflow.auditing.instruments import TensorFlow

__all__ = ["TensorFlow"]
