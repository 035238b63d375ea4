"""Export to ONNX. Importing this module registers names and imports neither torch nor the libraries of ONNX."""

from seqforge.registry import Register, hookimpl

SEQFORGE_API = 1


@hookimpl
def seqforge_register(register: Register) -> None:
    """Register the exporters."""
    register.add("exporter", "onnx", "seqforge_onnx.exporter:Onnx")
    register.add("exporter", "onnx-int8", "seqforge_onnx.exporter:OnnxInt8")
    register.add("exporter", "web", "seqforge_onnx.web:Web")
