"""The Policy protocol, ONNX Runtime behind it, and chunks made into smooth proposals."""
