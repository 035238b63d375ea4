"""A plugin of pytest with which torch's exporter reads its table of ONNX's operators once, and not for each graph.

`make extras` loads it. The table is the same for each graph, and to read it takes a sixth of the time of an export.
"""

import importlib
from contextlib import suppress
from functools import cache

# The function is private: another version of torch may lack it, and then takes longer.
with suppress(ImportError, AttributeError):
    _TABLE = importlib.import_module("torch.onnx._internal.exporter._registration").ONNXRegistry
    _TABLE.from_torchlib = staticmethod(cache(_TABLE.from_torchlib))
