"""By law: the lines to write instead, in TensorFlow."""

_VARIABLE = "self.{name} = tf.Variable(value, trainable=False)"

FIXES = {
    "P01": "self.{name} = tf.Variable(...)  # an attribute of the module, or in a list, tuple or dict with string keys "
    "there; make a helper that holds variables a tf.Module",
    "P07": "make locks, files, generators and lambdas where they are used, or leave them out of copies: "
    'def __getstate__(self): return {k: v for k, v in vars(self).items() if k != "{name}"}',
    "P09": f"{_VARIABLE}  # and self.{{name}}.assign(...) in place of assigning the attribute",
    "P12": "self.{name} = tf.Variable(tf.zeros(shape), trainable=False)  # in __init__, whatever the mode",
    "P13": "self.{name} = tf.Variable(tf.zeros(shape), trainable=False)  # in __init__, with a variable "
    "tf.Variable(False, trainable=False) beside it that says whether it is set",
    "D02": f"{_VARIABLE}  # in __init__, which follows the tf.device(...) that the module is made under",
    "D06": "self.{name} = tf.Variable(...)  # in __init__, not as a default argument or a class attribute",
    "G01": f"{_VARIABLE}  # moved by assign in the pass, and by no optimizer",
    "G03": f"{_VARIABLE}  # and hand module.trainable_variables to the optimizer",
    "G06": "self.{name} = collections.deque(maxlen=100)  # and append float(loss), a number",
    "C06": f"{_VARIABLE}  # read by the program, and saved; not saved: constate_tensorflow.state.derived(value)",
    "N03": "assign self.{name} once; a subclass gives the value to its base: super().__init__(value)",
    "M05": "compute it from the present state in every pass, or key the cache by everything that it depends on: shape, "
    "dtype, device, and drop it when a variable changes",
    "S01": f"{_VARIABLE}  # made under strategy.scope()",
    "S02": "self.{name} = tf.Variable(value, trainable=False, synchronization=tf.VariableSynchronization.ON_READ, "
    "aggregation=tf.VariableAggregation.MEAN)",
}
