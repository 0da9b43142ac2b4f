"""It takes the process with it."""

import os
import signal

os.kill(os.getpid(), signal.SIGSEGV)
