//! Elements picked by place: triangles, ends that wrap around, indices of a batch, crops.

use striate::Tensor;

use super::writer::{Attribute, Elements, Model, value};
use super::{assert_near, numbers, run};

#[test]
fn triangles_of_every_diagonal() {
    let triangle = |upper: i64, k: i64| {
        let model = Model::new().input("x", &[1, 2, 3]).constant("k", &[], Elements::I64(vec![k]));
        let model = model.node("Trilu", &["x", "k"], "y", &[("upper", Attribute::Int(upper))]).output("y");
        let x = Tensor::f32([1, 2, 3], vec![1.0, f32::INFINITY, 3.0, 4.0, 5.0, 6.0]).unwrap();
        run(&model, &[x])[0].as_f32().unwrap().to_vec()
    };
    let inf = f32::INFINITY;
    assert_eq!(triangle(1, 0), [1.0, inf, 3.0, 0.0, 5.0, 6.0]);
    assert_eq!(triangle(1, 2), [0.0, 0.0, 3.0, 0.0, 0.0, 0.0]);
    assert_eq!(triangle(1, -1), [1.0, inf, 3.0, 4.0, 5.0, 6.0]);
    assert_eq!(triangle(0, 0), [1.0, 0.0, 0.0, 4.0, 5.0, 0.0]);
    assert_eq!(triangle(0, -1), [0.0, 0.0, 0.0, 4.0, 0.0, 0.0]);
}

#[test]
fn padding_goes_on_with_the_other_end() {
    let model = Model::new()
        .input("x", &[1, 1, 2, 3])
        .constant("pads", &[8], Elements::I64(vec![0, 0, 3, 1, 0, 0, 0, -1]))
        .node("Pad", &["x", "pads"], "y", &[("mode", Attribute::Text("wrap"))])
        .output("y");
    let y = run(&model, &[Tensor::f32([1, 1, 2, 3], vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0]).unwrap()]);
    let (first, second) = ([3.0, 1.0, 2.0], [6.0, 4.0, 5.0]);
    assert_near(&y[0], &[1, 1, 5, 3], &[second, first, second, first, second].concat());
}

#[test]
fn every_entry_of_a_batch_has_indices_of_its_own() {
    let mut model =
        Model::new().input("x", &[2, 3, 2]).node("GatherND", &["x", "i"], "y", &[("batch_dims", Attribute::Int(1))]);
    model.inputs.push(value("i", 7, &[2, 2, 1]));
    let model = model.output("y");
    let x = numbers(1, 12);
    let indices = Tensor::i32([2, 2, 1], vec![2, 0, 1, -1]).unwrap();
    let want = [&x[4..6], &x[0..2], &x[8..10], &x[10..12]].concat();
    assert_near(&run(&model, &[Tensor::f32([2, 3, 2], x.clone()).unwrap(), indices])[0], &[2, 2, 2], &want);
}

#[test]
fn crops_read_between_pixels_and_beyond_the_edge() {
    let crop = |mode: &'static str| {
        let attributes = [
            ("mode", Attribute::Text(mode)),
            ("coordinate_transformation_mode", Attribute::Text("tf_crop_and_resize")),
            ("extrapolation_value", Attribute::Float(10.0)),
        ];
        let model = Model::new()
            .input("x", &[1, 1, 1, 5])
            .constant("roi", &[8], Elements::F32(vec![0.0, 0.0, 0.0, 0.25, 1.0, 1.0, 1.0, 1.5]))
            .constant("sizes", &[4], Elements::I64(vec![1, 1, 1, 3]))
            .node("Resize", &["x", "roi", "", "sizes"], "y", &attributes)
            .output("y");
        run(&model, &[Tensor::f32([1, 1, 1, 5], vec![0.0, 1.0, 4.0, 9.0, 16.0]).unwrap()]).remove(0)
    };
    // The places are 1, 3.5 and 6 of 0 to 4.
    assert_near(&crop("linear"), &[1, 1, 1, 3], &[1.0, 12.5, 10.0]);
    assert_near(&crop("nearest"), &[1, 1, 1, 3], &[1.0, 9.0, 10.0]);
}
