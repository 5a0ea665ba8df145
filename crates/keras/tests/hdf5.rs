//! HDF5 as h5py writes it, in all its ways (`tests/data/keras/make.py` made the files), and as it is written here.

use striate_keras::ErrorKind;
use striate_keras::hdf5::{self, Array, Element, File, Member, Node};

fn read(name: &str) -> File {
    let path = format!("{}/../../tests/data/keras/{name}", env!("CARGO_MANIFEST_DIR"));
    File::read(std::fs::read(path).unwrap()).unwrap()
}

/// What the generator puts at every place.
fn expected(count: usize) -> Vec<f32> {
    (0..count).map(|i| (i % 50) as f32 - 20.0).collect()
}

fn array<'f>(file: &'f File, path: &str) -> &'f Array {
    file.root().array(path).unwrap_or_else(|| panic!("no array {path}"))
}

#[test]
fn every_way_of_writing_groups_attributes_and_numbers_is_read() {
    for name in ["hdf5-earliest.h5", "hdf5-v108.h5", "hdf5-latest.h5"] {
        let file = read(name);
        let root = file.root();
        for i in 0..40 {
            assert_eq!(root.group(&format!("many/group_{i}")).unwrap().text("name"), Some(&*format!("number {i}")));
            let many = root.group("many").unwrap();
            assert_eq!(many.text(&format!("attribute {i}")), Some(&*format!("value {i}")), "{name}");
        }
        assert_eq!(root.group("many").unwrap().members.len(), 40);
        assert_eq!(root.texts("long").unwrap(), vec!["x".repeat(9); 100]);
        assert_eq!(root.texts("fixed").unwrap(), ["a", "bc", ""]);
        assert_eq!(root.texts("number").unwrap(), [""; 0]);
        for dtype in ["f2", "f4", "f8", ">f4", "i1", "i2", ">i4", "i8"] {
            let array = array(&file, &format!("kinds/{dtype}"));
            assert_eq!(array.shape, [3, 17]);
            let kind = if dtype.contains('f') { Element::Float } else { Element::Integer };
            assert_eq!(array.element(), kind);
            assert_eq!(file.floats(array).unwrap(), expected(51), "{name}: {dtype}");
        }
        assert_eq!(file.floats(array(&file, "kinds/bfloat16")).unwrap(), expected(51));
        assert_eq!(file.floats(array(&file, "kinds/scalar")).unwrap(), [-20.0]);
        assert_eq!(file.floats(array(&file, "kinds/empty")).unwrap(), [0.0; 0]);
        let error = file.floats(array(&file, "kinds/text")).unwrap_err();
        assert_eq!(error.fields().kind, ErrorKind::Unsupported);
    }
}

#[test]
fn chunks_come_together() {
    for name in ["hdf5-earliest.h5", "hdf5-v108.h5", "hdf5-latest.h5"] {
        let file = read(name);
        for chunks in ["plain", "deflate", "all", "plain one", "deflate one", "all one"] {
            let array = array(&file, &format!("chunked/{chunks}"));
            assert_eq!(array.shape, [7, 5, 11]);
            assert_eq!(file.floats(array).unwrap(), expected(385), "{name}: {chunks}");
        }
        assert_eq!(file.floats(array(&file, "chunked/deep")).unwrap(), expected(700));
    }
}

#[test]
fn every_index_of_chunks_is_read() {
    let mut seen = 0;
    let file = read("hdf5-v110.h5");
    for (name, member) in &file.root().members {
        let Member::Array(array) = member else { panic!("{name} is no array") };
        assert_eq!(file.floats(array).unwrap(), expected(array.shape.iter().product()), "{name}");
        seen += 1;
    }
    assert_eq!(seen, 15);
    // A file of 3 MB that `make.py` writes elsewhere: pages of extensible arrays, B-trees of three levels.
    if let Ok(path) = std::env::var("STRIATE_HDF5_LARGE") {
        let file = File::read(std::fs::read(path).unwrap()).unwrap();
        for (name, member) in &file.root().members {
            let Member::Array(array) = member else { panic!("{name} is no array") };
            assert_eq!(file.floats(array).unwrap(), expected(array.shape.iter().product()), "{name}");
        }
    }
}

#[test]
fn what_is_written_is_read_again() {
    let values = expected(6);
    let member = |i: usize| {
        let members = vec![
            ("1".to_string(), Node::Array { shape: vec![2, 3], values: &values }),
            ("0".to_string(), Node::Array { shape: vec![], values: &values[..1] }),
            ("none".to_string(), Node::Array { shape: vec![0, 4], values: &[] }),
        ];
        (format!("layer_{i}"), Node::Group { attributes: vec![("name", format!("Schicht {i} ä"))], members })
    };
    // Enough for two levels of tables: 8 symbols each, 32 tables a node.
    for count in [0, 1, 8, 9, 256, 257, 700] {
        let group =
            Node::Group { attributes: vec![("empty", String::new())], members: (0..count).map(member).collect() };
        let file = File::read(hdf5::write(&group).unwrap()).unwrap();
        assert_eq!(file.root().members.len(), count);
        assert_eq!(file.root().text("empty"), Some(""));
        for i in 0..count {
            let layer = file.root().group(&format!("layer_{i}")).unwrap();
            assert_eq!(layer.text("name"), Some(&*format!("Schicht {i} ä")));
            let read = |name: &str| file.floats(layer.array(name).unwrap()).unwrap();
            assert_eq!((read("0"), read("1"), read("none")), (values[..1].to_vec(), values.clone(), vec![]));
            assert_eq!(layer.array("1").unwrap().shape, [2, 3]);
        }
    }
}
