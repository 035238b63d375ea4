"""Export to ONNX. Importing this module registers names and imports neither torch nor the libraries of ONNX."""

SEQFORGE_API = 1

COMPONENTS = {
    "exporter": {
        "onnx": "seqforge_onnx.exporter:Onnx",
        "onnx-int8": "seqforge_onnx.exporter:OnnxInt8",
        "web": "seqforge_onnx.web:Web",
    },
}
