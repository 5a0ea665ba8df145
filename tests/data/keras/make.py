"""Makes the files of this folder with Keras 3 and h5py, as their owners' users do.

    pip install keras==3.15.1 numpy==2.4.6 h5py==3.16.0 jax
    KERAS_BACKEND=jax python make.py

`nested.*` is one network: models in models, a layer applied twice, frozen layers, layers of many kinds. `nested.json` has
an input and the outputs that Keras computes. `hdf5-*.h5` are the ways in which h5py writes groups, attributes, arrays.
"""

import json
import os

os.environ["KERAS_BACKEND"] = "jax"
import h5py
import keras
import numpy as np
from keras import layers

HERE = os.path.dirname(os.path.abspath(__file__))
keras.utils.set_random_seed(7)
rng = np.random.default_rng(7)


def tower():
    x = inputs = layers.Input((8, 9, 4), name="tower_in")
    x = layers.DepthwiseConv2D(3, padding="same", name="dw")(x)
    x = layers.BatchNormalization(name="bn")(x)
    y = layers.Conv2D(4, 1, activation="leaky_relu", kernel_regularizer=keras.regularizers.L2(1e-4), name="mix")(x)
    return keras.Model(inputs, [layers.Add(name="sum")([x, y]), y], name="tower")


def network():
    image = layers.Input((8, 9, 3), name="image")
    extra = layers.Input((5,), name="extra")
    x = layers.Rescaling(1 / 127.5, offset=-1.0, name="scale")(image)
    x = layers.Conv2D(4, 3, padding="same", kernel_constraint=keras.constraints.MaxNorm(3.0), name="stem")(x)
    x = layers.PReLU(shared_axes=[1, 2], name="slopes")(x)
    a, b = tower()(x)
    shared = layers.Conv2D(4, (1, 3), padding="same", activation=layers.LeakyReLU(negative_slope=0.1), name="shared")
    x = layers.Concatenate(name="cat")([shared(a), shared(b), x])
    x = layers.GroupNormalization(groups=4, name="group")(x)
    x = layers.SeparableConv2D(6, 3, strides=2, dilation_rate=1, activation="silu", name="separable")(x)
    head = keras.Sequential(
        [layers.Input((3, 4, 6)), layers.Flatten(name="flat"), layers.Dense(5, activation="tanh", name="fc"),
         layers.Dropout(0.3, name="drop"), layers.Dense(3, name="logits")],
        name="head",
    )
    y = head(x)
    z = layers.Dense(3, use_bias=False, name="side")(layers.LayerNormalization(name="norm")(extra))
    y = layers.Softmax(name="softmax")(layers.Multiply(name="product")([y, z]))
    return keras.Model([image, extra], [y, layers.GlobalMaxPooling2D(name="peak")(x)], name="nested")


def write_network():
    model = network()
    for weight in model.weights:
        value = rng.normal(scale=0.3, size=weight.shape)
        weight.assign(np.abs(value) + 0.5 if "variance" in weight.path else value)
    model.get_layer("tower").get_layer("bn").trainable = False
    model.get_layer("stem").trainable = False
    inputs = [rng.uniform(0, 255, (2, 8, 9, 3)).astype("f4"), rng.normal(size=(2, 5)).astype("f4")]
    outputs = model.predict(inputs, verbose=0)
    tensor = lambda x: {"shape": list(x.shape), "values": [float(v) for v in np.asarray(x, "f4").ravel()]}
    with open(f"{HERE}/nested.json", "w") as file:
        json.dump({"inputs": [tensor(x) for x in inputs], "outputs": [tensor(y) for y in outputs]}, file)
    model.save(f"{HERE}/nested.keras")
    model.save_weights(f"{HERE}/nested.weights.h5")
    model.save(f"{HERE}/nested.h5")


def write_hdf5():
    """In every file an array's value i is i % 50 - 20, whatever its type."""
    values = lambda shape, dtype: ((np.arange(np.prod(shape)) % 50) - 20).reshape(shape).astype(dtype)
    for low in ["earliest", "v108", "latest"]:
        with h5py.File(f"{HERE}/hdf5-{low}.h5", "w", libver=(low, "latest")) as file:
            many = file.create_group("many")
            for i in range(40):
                many.create_group(f"group_{i}").attrs["name"] = f"number {i}"
                many.attrs[f"attribute {i}"] = f"value {i}"
            kinds = file.create_group("kinds")
            for dtype in ["f2", "f4", "f8", ">f4", "i1", "i2", ">i4", "i8"]:
                kinds[dtype] = values((3, 17), dtype)
            kinds["scalar"] = np.float32(-20)
            kinds["empty"] = np.zeros((0, 4), "f4")
            kinds["text"] = "no numbers"
            bfloat = kinds.create_dataset("bfloat16", data=(values((3, 17), "f4").view("u4") >> 16).astype("u2"))
            bfloat.attrs["dtype"] = "bfloat16"
            chunked = file.create_group("chunked")
            options = {"plain": {}, "deflate": {"compression": "gzip"},
                       "all": {"compression": "gzip", "shuffle": True, "fletcher32": True}}
            for name, option in options.items():
                chunked.create_dataset(name, data=values((7, 5, 11), "f4"), chunks=(3, 2, 4), **option)
                chunked.create_dataset(f"{name} one", data=values((7, 5, 11), "f4"), chunks=(7, 5, 11), **option)
            chunked.create_dataset("deep", data=values((700,), "f4"), chunks=(3,))
            file.attrs["long"] = ["x" * 9] * 100
            file.attrs["fixed"] = np.array(["a", "bc", ""], dtype="S")
            file.attrs["number"] = 3


def write_indices():
    """Every index of chunks that HDF5 1.10 chooses from; an array's value i is i % 50 - 20."""
    values = lambda shape, dtype="f4": ((np.arange(np.prod(shape)) % 50) - 20).reshape(shape).astype(dtype)
    with h5py.File(f"{HERE}/hdf5-v110.h5", "w", libver=("v110", "v110")) as file:
        def put(name, shape, chunks, most=None, early=False, packed=False):
            space = h5py.h5s.create_simple(shape, tuple(h5py.h5s.UNLIMITED if m is None else m for m in most or shape))
            plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
            plist.set_chunk(chunks)
            if early:
                plist.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
            if packed:
                plist.set_shuffle()
                plist.set_deflate(9)
            array = h5py.h5d.create(file.id, name.encode(), h5py.h5t.IEEE_F32LE, space, plist)
            array.write(h5py.h5s.ALL, h5py.h5s.ALL, values(shape))

        box, part = (7, 5, 3), (3, 2, 2)
        for name, packed in [("", False), (" packed", True)]:
            put("single" + name, (7, 5), (7, 5), packed=packed)
            put("fixed" + name, box, part, packed=packed)
            put("extensible" + name, box, part, (7, None, 3) if packed else (None, 5, 3), packed=packed)
            put("tree" + name, box, part, (None, 5, None) if packed else (None, None, 3), packed=packed)
        put("implicit", box, part, early=True)
        # These may still grow, which numbers their chunks in another way.
        put("implicit small", (4, 5), (3, 2), (9, 11), early=True)
        put("fixed small", (4, 5), (3, 2), (9, 11))
        put("extensible last", (4, 5), (3, 2), (9, None))
        put("fixed in pages", (1030,), (1,))
        put("extensible super blocks", (250,), (1,), (None,))
        put("tree of two levels", (20, 9), (1, 1), (None, None))
    # Too large to keep: the test reads what STRIATE_HDF5_LARGE names.
    with h5py.File("/tmp/hdf5-large.h5", "w", libver=("v110", "v110")) as file:
        growing = {"data": values((140001,), "i1"), "chunks": (1,), "maxshape": (None,)}
        file.create_dataset("pages", **growing)
        file.create_dataset("pages packed", compression="gzip", **growing)
        file.create_dataset("fixed packed", data=values((2500,), "i1"), chunks=(1,), compression="gzip")
        file.create_dataset("tree", data=values((3000, 7), "i1"), chunks=(1, 1), maxshape=(None, None))


write_network()
write_hdf5()
write_indices()
