"""Weights of a module for its twin in another framework: which goes where, in which order of axes, and whether both
then compute the same."""

from constate.porting.ports import Port as Port
from constate.porting.ports import opened as opened
from constate.porting.ports import port as port
from constate.porting.weight_map import WeightMap as WeightMap

__all__ = ["Port", "WeightMap", "opened", "port"]
