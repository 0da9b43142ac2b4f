"""The checkpoints of TensorFlow: those of ``tf.train.Checkpoint``, and the variables of a SavedModel."""
