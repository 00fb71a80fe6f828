"""The demo fleet: four small services that run real ONNX models on CPU, with faults on demand.

``gateway`` calls ``embedder`` (sentence embeddings), ``classifier`` (file types) and ``listener`` (speech activity).
Each is an ordinary FastAPI application; what makes it observable is the line ``import inferometer.auto``.
"""
