"""By law: the lines to write instead, in Keras."""

_WEIGHT = "self.{name} = self.add_weight(shape=..., initializer=..., trainable=False, name=...)  # in build"

FIXES = {
    "P01": "self.{name} = self.add_weight(shape=..., initializer=..., name=...)  # in build; a helper that holds "
    "weights is a keras.Layer and an attribute of the layer, also in a list or a dict",
    "P07": "def get_config(self): return {**super().get_config(), ...}  # with every argument of __init__, by which "
    "Keras copies; @keras.saving.register_keras_serializable() on the class, and functions of the module, no lambdas",
    "P09": f"{_WEIGHT}; and self.{{name}}.assign(...) in call",
    "P12": "self.{name} = self.add_weight(...)  # in build, whatever the mode, and not in call",
    "P13": f"{_WEIGHT}, of its final shape",
    "D02": f"{_WEIGHT}, on the device of the layer",
    "D04": "self.{name} = self.add_weight(..., dtype='int32')  # a type of its own, which no policy changes",
    "D06": "self.{name} = self.add_weight(...)  # in build, not as a default argument or a class attribute",
    "D07": "self.{name} = self.add_weight(..., dtype='float32', autocast=False, trainable=False)  # no policy rounds "
    "it; compute with it in float32",
    "G01": "self.{name} = self.add_weight(..., trainable=False)  # moved by assign in call, and by no optimizer",
    "G03": "self.{name} = self.add_weight(..., trainable=False)  # not among trainable_variables",
    "G06": "self.{name} = collections.deque(maxlen=100)  # and append float(loss), a number; or a keras.metrics.Metric",
    "G07": "self.{name} = self.add_weight(..., trainable=False)  # layer.trainable = True does not wake it",
    "C06": f"{_WEIGHT}: read by the program, and saved; not saved: constate_keras.state.Layer.add_derived",
    "N03": "assign self.{name} once: Keras goes on listing and saving the first weight; a subclass gives the value to "
    "its base",
    "M05": "compute it from the present state in every call, or key what is kept by everything that it depends on: "
    "shape, dtype, and drop it when a weight changes",
    "S01": f"{_WEIGHT}, under strategy.scope()",
    "S02": "self.{name} = self.add_weight(..., trainable=False, aggregation='mean'); "
    "keras.layers.BatchNormalization(synchronized=True)",
}
