"""A script."""

import sys

sys.exit("usage: script FILE")
