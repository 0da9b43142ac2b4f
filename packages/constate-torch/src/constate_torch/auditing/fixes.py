"""By law: the lines to write instead, in PyTorch."""

FIXES = {
    "P01": "self.{name} = nn.Parameter(...)  # in a list: nn.ParameterList, nn.ModuleList",
    "P07": "keep tensors of a pass out of attributes, or detach them: self.{name} = x.detach(); give functions of the "
    "module's file instead of lambdas; make locks and files where they are used",
    "P09": 'self.register_buffer("{name}", value)  # persistent, which is the default; then every load restores it',
    "P11": 'self.register_buffer("{name}", value)  # persistent; or compute it again in reset_parameters(self)',
    "P12": 'self.register_buffer("{name}", value)  # in __init__, with its final shape; persistent=False for a cache',
    "P13": 'self.register_buffer("{name}", torch.zeros(shape))  # in __init__, and a bool buffer that says it is set',
    "D02": 'self.register_buffer("{name}", value, persistent=False)  # follows .to(device)',
    "D04": "constate_torch.cast(model, torch.bfloat16)  # casts float entries only; or keep the two parts as "
    "two float buffers",
    "D06": "constate_torch.cast and Module.to make two of a shared buffer: hold it in one module and hand it to the "
    "other's forward; build tensors in __init__, not as a default argument or class attribute",
    "D07": 'constate_torch.cast(model, torch.bfloat16, keep=["*{name}"])  # or compute it in float32 within forward',
    "G01": "with torch.no_grad(): self.{name}.lerp_(value.detach(), momentum)  # a buffer, not a parameter",
    "G03": 'self.register_buffer("{name}", value)  # no optimizer is handed buffers',
    "G06": "self.{name}.append(loss.item())  # a number and not a graph; or collections.deque(maxlen=100)",
    "G07": 'self.register_buffer("{name}", value)  # a buffer has no switch that requires_grad_ could turn on',
    "C06": 'self.register_buffer("{name}", value, persistent=False)  # exported as state and not as a literal',
    "N03": 'register "{name}" once; a subclass gives the value to its base: super().__init__(value)',
    "M05": "compute it from the present state in every pass, or key the cache by everything that it depends on: dtype, "
    "device, shape; drop it in load_state_dict and _apply",
    "S01": 'self.register_buffer("{name}", value)  # DistributedDataParallel makes buffers equal at construction',
    "S02": "nn.SyncBatchNorm.convert_sync_batchnorm(model), or all_reduce what updates {name}",
}
