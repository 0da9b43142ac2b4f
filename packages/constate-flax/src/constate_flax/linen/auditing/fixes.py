"""By law: the lines to write instead, in Linen."""

FIXES = {
    "P01": 'self.param("{name}", init, shape)  # or self.variable("constants", "{name}", init_fn)',
    "P07": "keep files, locks and functions without a name out of fields: open and make them where they are used, and "
    "give functions of the module's file instead of lambdas",
    "P09": 'self.variable("state", "{name}", init_fn)  # and apply(variables, x, mutable=["state"]): then it is saved',
    "P11": 'self.variable("constants", "{name}", init_fn)  # jax.eval_shape(module.init, ...) then knows it',
    "P12": 'self.variable("batch_stats", "{name}", jnp.zeros, shape)  # in every pass, whatever the mode, and with its '
    "final shape",
    "P13": 'self.variable("state", "{name}", jnp.zeros, shape)  # with a boolean variable that says it is set',
    "D02": 'self.variable("constants", "{name}", init_fn)  # jax.device_put(variables, device) takes it along',
    "D04": "constate_flax.linen.cast(variables, jnp.bfloat16)  # casts float entries only",
    "D06": "{name}: T = dataclasses.field(default_factory=T)  # one for each instance; better a variable",
    "D07": 'constate_flax.linen.cast(variables, jnp.bfloat16, keep=["*{name}"])  # or compute it in the pass',
    "G01": 'self.variable("batch_stats", "{name}", init_fn)  # a collection that no optimizer is handed',
    "G03": 'self.variable("constants", "{name}", init_fn)  # not self.param: optax is handed variables["params"]; '
    "stop_gradient keeps no weight decay away",
    "G06": 'self.sow("intermediates", "{name}", value)  # apply(..., mutable=["intermediates"]) gives it back',
    "G07": 'self.variable("constants", "{name}", init_fn)  # or optax.multi_transform with optax.set_to_zero()',
    "C06": 'self.variable("constants", "{name}", init_fn)  # variables are arguments of the compiled program',
    "N03": 'self.variable("constants", "{name}", init_fn)  # once',
    "M05": "compute {name} in every pass from what it depends on; jax.jit keeps what is worth keeping",
    "S01": "initialise {name} from one key on all devices, and place it with NamedSharding(mesh, PartitionSpec())",
    "S02": "nn.BatchNorm(..., axis_name=axis)  # or jax.lax.pmean of what moves {name}",
}
