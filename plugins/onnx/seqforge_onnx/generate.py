"""Continue a text with the model of this folder. It needs only onnxruntime and numpy: python generate.py PROMPT."""

import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime

folder = Path(__file__).parent
model = json.loads((folder / "model.json").read_text("utf-8"))
session = onnxruntime.InferenceSession(folder / "step.onnx")
tokens = {symbol: token for token, symbol in enumerate(model["symbols"])}
prompt = sys.argv[1] if len(sys.argv) > 1 else model["symbols"][0]
text = [tokens[symbol] for symbol in prompt.encode("utf-8").decode(model["encoding"])]
inputs = {
    each["input"]: np.broadcast_to(np.array(each["initial"], each["type"]), (1, *each["shape"]))
    for each in model["states"]
}
generator = np.random.default_rng(0)
for position in range(len(text) + 499):
    logits, *states = session.run(None, {"symbols": np.array(text[position : position + 1]), **inputs})
    inputs = dict(zip(inputs, states, strict=True))
    if position + 1 == len(text):
        probabilities = np.exp((logits[0] - logits[0].max()) / 0.8)  # 0.8 is the temperature
        text.append(generator.choice(len(probabilities), p=probabilities / probabilities.sum()))
print(b"".join(model["symbols"][token].encode(model["encoding"]) for token in text).decode("utf-8", "replace"))
