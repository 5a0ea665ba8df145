//! Names of classes, in the order of the networks' outputs.

/// The 80 classes of COCO that have boxes.
#[rustfmt::skip]
pub const COCO_80: [&str; 80] = [
    "person", "bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat", "traffic light",
    "fire hydrant", "stop sign", "parking meter", "bench", "bird", "cat", "dog", "horse", "sheep", "cow",
    "elephant", "bear", "zebra", "giraffe", "backpack", "umbrella", "handbag", "tie", "suitcase", "frisbee", "skis",
    "snowboard", "sports ball", "kite", "baseball bat", "baseball glove", "skateboard", "surfboard",
    "tennis racket", "bottle", "wine glass", "cup", "fork", "knife", "spoon", "bowl", "banana", "apple", "sandwich",
    "orange", "broccoli", "carrot", "hot dog", "pizza", "donut", "cake", "chair", "couch", "potted plant", "bed",
    "dining table", "toilet", "tv", "laptop", "mouse", "remote", "keyboard", "cell phone", "microwave", "oven",
    "toaster", "sink", "refrigerator", "book", "clock", "vase", "scissors", "teddy bear", "hair drier",
    "toothbrush",
];

/// The same by COCO's own numbers, which leave ten out, less 1: what TensorFlow's detectors count in.
pub const COCO_90: [&str; 90] = {
    let left_out = [11, 25, 28, 29, 44, 65, 67, 68, 70, 82];
    let (mut names, mut class, mut gap, mut named) = (["???"; 90], 0, 0, 0);
    while class < 90 {
        if gap < left_out.len() && left_out[gap] == class {
            gap += 1;
        } else {
            names[class] = COCO_80[named];
            named += 1;
        }
        class += 1;
    }
    names
};

/// The classes of the Open Images detector in MediaPipe's Objectron package; the first is the background.
#[rustfmt::skip]
pub const OPEN_IMAGES_24: [&str; 24] = [
    "???", "Bicycle", "Boot", "Laptop", "Person", "Chair", "Cattle", "Desk", "Cat", "Computer mouse",
    "Computer monitor", "Box", "Mug", "Coffee cup", "Stationary bicycle", "Table", "Bottle", "High heels",
    "Vehicle", "Footwear", "Dog", "Book", "Camera", "Car",
];
