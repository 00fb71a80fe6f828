"""A server as people write them: models at the top, endpoints below, the one line where it happens to stand."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import numpy as np
import onnxruntime
import tiny
import torch
from fastapi import FastAPI
from transformers import pipeline

app = FastAPI()
torch.set_num_threads(1)
torch.manual_seed(1)
generate = pipeline("text-generation", model=tiny.causal(), tokenizer=tiny.tokenizer())

import inferometer.auto  # noqa: E402, F401 - after what must be set before

session = onnxruntime.InferenceSession(sys.argv[-1], providers=["CPUExecutionProvider"])


@app.post("/generate")
def text(prompt: str) -> str:
    """Four tokens more."""
    return generate(prompt, max_new_tokens=4, min_new_tokens=4, do_sample=False)[0]["generated_text"]


@app.post("/double")
async def double(rows: int) -> float:
    """A session in the event loop."""
    return float(session.run(None, {"x": np.ones((rows, 4), np.float32)})[0].sum())


if __name__ == "__main__":
    import uvicorn

    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="error")
