"""By law: the lines to write instead, in plain JAX."""

FIXES = {
    "P01": "make {name} a field of the tree: jax.tree_util.register_dataclass, or an annotated field of the eqx.Module",
    "P07": "a tree holds arrays, numbers and functions of a file: open files and make locks where they are used, and "
    "give functions a name instead of lambdas",
    "P09": "keep {name} in the tree, or in a state that a pass takes and gives back: y, state = model(x, state)",
    "P11": "compute {name} with jnp from arguments in the constructor, as a field of the tree: "
    "jax.eval_shape(build) then knows it and a load fills it",
    "P12": "make {name} in the constructor, with its final shape, so that the structure of the tree never changes",
    "P13": "{name}: jax.Array = jnp.zeros(shape)  # made in the constructor, with a boolean array that says it is set",
    "D02": "keep {name} in the tree: jax.device_put(model, device) takes it along",
    "D04": "jax.tree.map(lambda a: a.astype(dtype) if jnp.issubdtype(a.dtype, jnp.floating) else a, model)",
    "D06": "make {name} in the constructor, and not as a default argument or class attribute; take a state as an "
    "argument and give it back",
    "D07": 'keep {name} in float32: cast with jax.tree_util.tree_map_with_path and leave out "{name}", or compute it '
    "within the call",
    "G01": "keep {name} in a tree of its own, beside the one that the optimizer is handed: y, state = model(x, state)",
    "G03": "optax.masked(optimizer, mask), or optax.multi_transform, with a mask that leaves out {name}; "
    "jax.lax.stop_gradient keeps no weight decay away",
    "G06": "give the values of a pass back instead of appending them to {name}",
    "G07": "optax.masked(optimizer, mask) with a mask that leaves out {name}",
    "C06": "{name}: jax.Array  # a field of the tree is an argument of the compiled program and no literal of it",
    "N03": "make {name} once",
    "M05": "compute {name} in every call from what it depends on; jax.jit keeps what is worth keeping",
    "S01": "draw {name} from one key, and place it with NamedSharding(mesh, PartitionSpec())",
    "S02": "average what moves {name} over the devices: jax.lax.pmean(value, axis_name)",
}
