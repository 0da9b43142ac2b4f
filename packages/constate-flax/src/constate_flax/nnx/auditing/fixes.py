"""By law: the lines to write instead, in NNX."""

FIXES = {
    "P01": "self.{name} = nnx.List([...])  # or nnx.Dict, or nnx.data(...): variables in attributes of the module are "
    "listed, those in other objects are not",
    "P07": "keep files, locks and functions without a name out of the module: open and make them where they are used, "
    "and give functions of the module's file instead of lambdas",
    "P09": "self.{name} = nnx.Variable(value)  # in nnx.state(model): saved and loaded with it",
    "P11": "self.{name} = nnx.Variable(value)  # nnx.eval_shape(build) then knows it and a load fills it",
    "P12": "self.{name} = nnx.Variable(value)  # in __init__, with its final shape; assign self.{name}[...] in a pass",
    "P13": "self.{name} = nnx.Variable(jnp.zeros(shape))  # in __init__, with a boolean variable that says it is set",
    "D02": "self.{name} = nnx.Variable(value)  # jax.device_put(nnx.state(model), device) takes it along",
    "D04": "constate_flax.nnx.cast(model, jnp.bfloat16)  # casts float entries only",
    "D06": "self.{name} = nnx.Variable(value)  # in __init__, and not as a default argument or class attribute",
    "D07": 'constate_flax.nnx.cast(model, jnp.bfloat16, keep=["*{name}"])  # or compute it in float32 in the pass',
    "G01": "self.{name} = nnx.BatchStat(value)  # not nnx.Param: the optimizer is made with wrt=nnx.Param",
    "G03": "self.{name} = nnx.Variable(value)  # not nnx.Param; stop_gradient keeps no weight decay away",
    "G06": 'self.sow(nnx.Intermediate, "{name}", value)  # under nnx.capture, which gives the values back',
    "G07": "self.{name} = nnx.Variable(value)  # not nnx.Param: wrt=nnx.Param leaves it out",
    "C06": "self.{name} = nnx.Variable(value)  # nnx.jit takes the state of a module as an argument",
    "N03": "self.{name} = nnx.Variable(value)  # once; a subclass hands the value to its base: super().__init__(value)",
    "M05": "compute {name} in every pass from what it depends on; nnx.jit keeps what is worth keeping",
    "S01": "draw {name} from one key on all devices, and place it with NamedSharding(mesh, PartitionSpec())",
    "S02": "nnx.BatchNorm(..., axis_name=axis)  # or jax.lax.pmean of what moves {name}",
}
