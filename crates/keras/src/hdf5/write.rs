//! Writing: superblock 0, object headers 1, groups as B-trees, arrays of floats in one piece, as h5py does by default.

use super::SIGNATURE;
use crate::error::{Error, Result};

/// What is written.
pub enum Node<'a> {
    /// A group.
    Group {
        /// Texts by name.
        attributes: Vec<(&'static str, String)>,
        /// Members by name, in any order.
        members: Vec<(String, Node<'a>)>,
    },
    /// Floats in row-major order.
    Array {
        /// Dimensions.
        shape: Vec<usize>,
        /// As many as the dimensions say.
        values: &'a [f32],
    },
}

/// Members of a table of symbols; half of it is what HDF5 calls K.
const SYMBOLS: usize = 8;
/// Children of a B-tree's node.
const CHILDREN: usize = 32;
const UNDEFINED: [u8; 8] = [0xff; 8];

/// The bytes of a file with this root, which must be a group.
pub fn write(root: &Node) -> Result<Vec<u8>> {
    let mut out = Writer { out: SIGNATURE.to_vec() };
    out.bytes(&[0, 0, 0, 0, 0, 8, 8, 0]);
    out.bytes(&[(SYMBOLS / 2) as u8, 0, (CHILDREN / 2) as u8, 0, 0, 0, 0, 0]);
    // Base address, free space, end of file, driver, and the root's symbol.
    out.bytes(&[0; 8]);
    out.bytes(&UNDEFINED);
    let end_at = out.out.len();
    out.bytes(&[0; 8]);
    out.bytes(&UNDEFINED);
    out.bytes(&[0; 8]);
    let root_at = out.out.len();
    out.bytes(&[0; 32]);
    let root = out.node(root, 0)?;
    out.patch(root_at, root);
    let end = out.out.len() as u64;
    out.patch(end_at, end);
    Ok(out.out)
}

struct Writer {
    out: Vec<u8>,
}

/// A message of an object header: kind and body.
type Message = (u16, Vec<u8>);

/// A node of a B-tree: its address, and where the heap has the last name in it.
type Child = (u64, u64);

impl Writer {
    fn bytes(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    fn patch(&mut self, at: usize, number: u64) {
        self.out[at..at + 8].copy_from_slice(&number.to_le_bytes());
    }

    /// The next address for something.
    fn address(&mut self) -> u64 {
        self.out.resize(self.out.len().next_multiple_of(8), 0);
        self.out.len() as u64
    }

    /// Writes a node and all below it; the address of its header.
    fn node(&mut self, node: &Node, depth: usize) -> Result<u64> {
        if depth > super::MAX_DEPTH {
            return Err(Error::invalid("groups nest too deep for HDF5"));
        }
        match node {
            Node::Array { shape, values } => self.array(shape, values),
            Node::Group { attributes, members } => {
                let mut entries = Vec::new();
                for (name, member) in members {
                    entries.push((name.as_str(), self.node(member, depth + 1)?));
                }
                let table = self.table(entries);
                let mut messages = vec![(0x11, table)];
                for (name, value) in attributes {
                    messages.push((0x0c, attribute(name, value)?));
                }
                self.header(&messages)
            }
        }
    }

    fn array(&mut self, shape: &[usize], values: &[f32]) -> Result<u64> {
        if shape.iter().product::<usize>() != values.len() || shape.len() > 32 {
            return Err(Error::mismatch("an array has another number of elements", format!("{shape:?}"), values.len()));
        }
        let at = self.address();
        for value in values {
            self.bytes(&value.to_le_bytes());
        }
        let mut space = vec![1, shape.len() as u8, 0, 0, 0, 0, 0, 0];
        for &dim in shape {
            space.extend((dim as u64).to_le_bytes());
        }
        // IEEE, little-endian: sign in bit 31; exponent of 8 bits from bit 23 with a bias of 127; fraction of 23 bits.
        let float = [0x11, 0x20, 0x1f, 0, 4, 0, 0, 0, 0, 0, 32, 0, 23, 8, 0, 23, 127, 0, 0, 0].to_vec();
        // No fill value of its own.
        let fill = vec![2, 2, 2, 1, 0, 0, 0, 0];
        let mut layout = vec![3, 1];
        layout.extend(if values.is_empty() { UNDEFINED } else { at.to_le_bytes() });
        layout.extend((4 * values.len() as u64).to_le_bytes());
        self.header(&[(0x01, space), (0x03, float), (0x05, fill), (0x08, layout)])
    }

    fn header(&mut self, messages: &[Message]) -> Result<u64> {
        let size: usize = messages.iter().map(|(_, body)| 8 + body.len().next_multiple_of(8)).sum();
        let at = self.address();
        self.bytes(&[1, 0]);
        self.bytes(&(messages.len() as u16).to_le_bytes());
        self.bytes(&1u32.to_le_bytes());
        self.bytes(&(size as u32).to_le_bytes());
        self.bytes(&[0; 4]);
        for (kind, body) in messages {
            let length = body.len().next_multiple_of(8);
            let short = u16::try_from(length).map_err(|_| Error::resource("a text of 64 KB or more in HDF5"))?;
            self.bytes(&kind.to_le_bytes());
            self.bytes(&short.to_le_bytes());
            self.bytes(&[0; 4]);
            self.bytes(body);
            self.bytes(&vec![0; length - body.len()]);
        }
        Ok(at)
    }

    /// A group's members; the body of the message that says where they are.
    fn table(&mut self, mut entries: Vec<(&str, u64)>) -> Vec<u8> {
        entries.sort();
        let mut names = vec![0u8; 8];
        let mut symbols = Vec::new();
        for (name, header) in entries {
            symbols.push((names.len() as u64, header));
            names.extend(name.as_bytes());
            names.push(0);
            names.resize(names.len().next_multiple_of(8), 0);
        }
        let heap = self.address();
        self.bytes(b"HEAP\0\0\0\0");
        self.bytes(&(names.len() as u64).to_le_bytes());
        // The list of free places is empty.
        self.bytes(&1u64.to_le_bytes());
        self.bytes(&(heap + 32).to_le_bytes());
        self.bytes(&names);

        let mut level: Vec<Child> = Vec::new();
        for chunk in symbols.chunks(SYMBOLS) {
            let at = self.address();
            self.bytes(b"SNOD\x01\0");
            self.bytes(&(chunk.len() as u16).to_le_bytes());
            for (name, header) in chunk {
                self.bytes(&name.to_le_bytes());
                self.bytes(&header.to_le_bytes());
                self.bytes(&[0; 24]);
            }
            self.bytes(&vec![0; 40 * (SYMBOLS - chunk.len())]);
            level.push((at, chunk[chunk.len() - 1].0));
        }
        let mut height = 0;
        let tree = loop {
            level = self.tree_level(&level, height);
            if let [(root, _)] = level[..] {
                break root;
            }
            height += 1;
        };
        [tree.to_le_bytes(), heap.to_le_bytes()].concat()
    }

    /// The nodes above these children.
    fn tree_level(&mut self, children: &[Child], height: u8) -> Vec<Child> {
        const SIZE: u64 = (24 + 8 * (2 * CHILDREN + 1)) as u64;
        let count = children.len().div_ceil(CHILDREN).max(1);
        let first = self.address();
        let place = |i: usize| if i < count { (first + i as u64 * SIZE).to_le_bytes() } else { UNDEFINED };
        let mut level = Vec::new();
        let mut before = 0u64;
        for i in 0..count {
            let children = &children[(i * CHILDREN).min(children.len())..((i + 1) * CHILDREN).min(children.len())];
            let start = self.out.len();
            self.bytes(b"TREE\0");
            self.bytes(&[height]);
            self.bytes(&(children.len() as u16).to_le_bytes());
            self.bytes(&place(i.wrapping_sub(1)));
            self.bytes(&place(i + 1));
            // A key stands before every child and behind the last: the last name so far.
            self.bytes(&before.to_le_bytes());
            for (child, last) in children {
                self.bytes(&child.to_le_bytes());
                self.bytes(&last.to_le_bytes());
                before = *last;
            }
            self.out.resize(start + SIZE as usize, 0);
            level.push((start as u64, before));
        }
        level
    }
}

/// An attribute that is one text.
fn attribute(name: &str, value: &str) -> Result<Vec<u8>> {
    let padded = |bytes: &[u8]| {
        let mut bytes = [bytes, &[0]].concat();
        bytes.resize(bytes.len().next_multiple_of(8), 0);
        bytes
    };
    // HDF5 has no text of no bytes.
    let length = u32::try_from(value.len().max(1)).map_err(|_| Error::resource("a text of 4 GB in HDF5"))?;
    let mut body = vec![1, 0];
    body.extend((name.len() as u16 + 1).to_le_bytes());
    body.extend([8, 0, 8, 0]);
    body.extend(padded(name.as_bytes()));
    // UTF-8, padded with zeros; then a scalar's dimensions.
    body.extend([0x13, 0x11, 0, 0]);
    body.extend(length.to_le_bytes());
    body.extend([1, 0, 0, 0, 0, 0, 0, 0]);
    body.extend(value.as_bytes());
    if value.is_empty() {
        body.push(0);
    }
    Ok(body)
}
