"""The opponent: the Flask service that a tutorial leads to. Nothing in it is slowed down.

A ResNet-50 in eager float32, one image per request, Grad-CAM by hooks and a backward pass
(Selvaraju et al. 2017). It keeps nothing, judges nothing and draws nothing. Decoding runs beside
the network; the hooks and the gradients are shared, so one request at a time has these.

Run as ``python -m benchmarks.naive PORT THREADS``.
"""

import sys
import threading

import numpy as np
import torch
from flask import Flask, jsonify, request
from flask.typing import ResponseReturnValue
from PIL import Image
from torch import Tensor
from torchvision.models import resnet50

app = Flask(__name__)
network = resnet50(weights=None).eval()
turn = threading.Lock()
_MEAN, _STD = (np.array(v, np.float32) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))


@app.post("/")
def read() -> ResponseReturnValue:
    """One film: its probability and its map."""
    picture = Image.open(request.files["image"].stream).convert("RGB").resize((224, 224))
    image = (np.asarray(picture, np.float32) / 255 - _MEAN) / _STD
    x = torch.from_numpy(image.transpose(2, 0, 1)[None].copy())
    with turn:
        logit, heat = _grad_cam(x)
    return jsonify(probability=torch.sigmoid(logit).item(), map=heat.tolist()), 201


def _grad_cam(x: Tensor) -> tuple[Tensor, Tensor]:
    kept: list[Tensor] = []

    def keep(_: object, __: object, features: Tensor) -> None:
        features.retain_grad()
        kept.append(features)

    hook = network.layer4.register_forward_hook(keep)
    logit = network(x)[0, 0]
    network.zero_grad()
    logit.backward()
    hook.remove()
    (features,) = kept
    assert features.grad is not None
    weights = features.grad.mean(dim=(2, 3), keepdim=True)
    return logit.detach(), torch.relu((weights * features).sum(dim=1))[0].detach()


if __name__ == "__main__":
    torch.set_num_threads(int(sys.argv[2]))
    app.run("127.0.0.1", int(sys.argv[1]), threaded=True)
