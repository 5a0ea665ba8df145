//! HDF5 files as h5py writes them: groups, attributes, arrays of numbers.
//!
//! Specification: "HDF5 File Format Specification" versions 1.0 to 3.0. Read are superblocks 0 to 3, object headers 1
//! and 2, groups as B-trees, as links and as dense links, contiguous, compact and chunked arrays (with every index
//! that HDF5 1.8 and 1.10 write), deflate and shuffle.
//! Written are superblock 0, object headers 1, groups as B-trees and contiguous arrays, as h5py writes by default.
//!
//! Nothing in a file is trusted. The whole tree is read at once, and reading pays for every byte it looks at out of a
//! purse that holds a few times the file's length: structures that point at each other in a loop, or names that are
//! referred to a million times, empty it. Arrays are read one by one, and take no more memory than their bytes in the
//! file (times what deflate can do).

mod array;
mod chunks;
mod dense;
mod header;
mod links;
mod messages;
mod write;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::ops::Range;

pub use array::{Array, Element};
pub use write::{Node, write};

use crate::cursor::Cursor;
use crate::error::{Error, Result};

/// The file's first bytes.
pub const SIGNATURE: &[u8] = b"\x89HDF\r\n\x1a\n";

/// Groups within groups.
const MAX_DEPTH: usize = 48;
/// An address that leads nowhere.
const UNDEFINED: u64 = u64::MAX;

/// A file's tree, without the numbers of arrays.
pub struct File {
    bytes: Vec<u8>,
    /// Where addresses count from: a user block may come first.
    base: usize,
    root: Group,
}

/// A group.
#[derive(Default)]
pub struct Group {
    /// By name, in the order of the file.
    pub attributes: Vec<(String, Attribute)>,
    /// By name, in the order of the file.
    pub members: Vec<(String, Member)>,
}

/// What a group holds.
pub enum Member {
    /// A group.
    Group(Group),
    /// An array.
    Array(Array),
}

/// What an attribute holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Attribute {
    /// One text or several.
    Texts(Vec<String>),
    /// Numbers, or what is not looked at: Keras says "no weights" by an empty list of numbers.
    Other,
}

impl File {
    /// Reads the tree.
    pub fn read(bytes: Vec<u8>) -> Result<File> {
        let places = std::iter::once(0).chain((9..30).map(|bits| 1usize << bits));
        let base = places.take_while(|&at| at < bytes.len()).find(|&at| bytes[at..].starts_with(SIGNATURE));
        let base = base.ok_or_else(|| Error::invalid("not an HDF5 file: its signature is missing"))?;
        let root = Reader::new(&bytes[base..]).file()?;
        Ok(File { bytes, base, root })
    }

    /// The outermost group.
    pub fn root(&self) -> &Group {
        &self.root
    }

    /// The numbers of an array.
    pub fn floats(&self, array: &Array) -> Result<Vec<f32>> {
        array.floats(&self.bytes[self.base..])
    }
}

impl Group {
    /// A member by its path.
    pub fn get(&self, path: &str) -> Option<&Member> {
        let (first, rest) = path.split_once('/').map_or((path, None), |(first, rest)| (first, Some(rest)));
        let (_, member) = self.members.iter().find(|(name, _)| name == first)?;
        match (rest, member) {
            (None, member) => Some(member),
            (Some(rest), Member::Group(group)) => group.get(rest),
            (Some(_), Member::Array(_)) => None,
        }
    }

    /// A group by its path.
    pub fn group(&self, path: &str) -> Option<&Group> {
        match self.get(path)? {
            Member::Group(group) => Some(group),
            Member::Array(_) => None,
        }
    }

    /// An array by its path.
    pub fn array(&self, path: &str) -> Option<&Array> {
        match self.get(path)? {
            Member::Array(array) => Some(array),
            Member::Group(_) => None,
        }
    }

    /// The text of an attribute.
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.texts(name)? {
            [text] => Some(text),
            _ => None,
        }
    }

    /// The texts of an attribute; none if it holds something else.
    pub fn texts(&self, name: &str) -> Option<&[String]> {
        match &self.attributes.iter().find(|(known, _)| known == name)?.1 {
            Attribute::Texts(texts) => Some(texts),
            Attribute::Other => Some(&[]),
        }
    }
}

/// A file while its tree is read.
struct Reader<'a> {
    bytes: &'a [u8],
    /// Bytes that may still be looked at.
    purse: Cell<usize>,
    /// Places of texts in the global heap's collections, by collection.
    heap: RefCell<HashMap<u64, Collection>>,
}

/// Objects of a collection of the global heap by their number.
type Collection = HashMap<u16, Range<usize>>;

impl<'a> Reader<'a> {
    fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader {
            bytes,
            purse: Cell::new(bytes.len().saturating_mul(8).saturating_add(1 << 16)),
            heap: RefCell::default(),
        }
    }

    /// Pays for looking at bytes.
    fn pay(&self, bytes: usize) -> Result<()> {
        let left = self.purse.get().checked_sub(bytes.saturating_add(1));
        self.purse.set(left.ok_or_else(|| Error::invalid("parts of the HDF5 file refer to each other in a loop"))?);
        Ok(())
    }

    /// Bytes at an address, paid for.
    fn at(&self, address: u64, length: usize) -> Result<Cursor<'a>> {
        self.pay(length)?;
        let cursor = Cursor::new(self.bytes, address);
        cursor.clone().skip(length)?;
        Ok(cursor)
    }

    fn file(&self) -> Result<Group> {
        let mut cursor = Cursor::new(self.bytes, SIGNATURE.len() as u64);
        let version = cursor.u8()?;
        let sizes = match version {
            0 | 1 => {
                cursor.skip(4)?;
                let sizes = [cursor.u8()?, cursor.u8()?];
                cursor.skip(if version == 0 { 9 } else { 13 } + 4 * 8 + 8)?;
                sizes
            }
            2 | 3 => {
                let sizes = [cursor.u8()?, cursor.u8()?];
                cursor.skip(1 + 3 * 8)?;
                sizes
            }
            _ => return Err(Error::unsupported(format!("an HDF5 file of version {version} (0 to 3 are known)"))),
        };
        if sizes != [8, 8] {
            return Err(Error::unsupported("an HDF5 file with addresses or lengths of other than 8 bytes"));
        }
        self.group(cursor.u64()?, 0)
    }

    /// The group whose header is at an address.
    fn group(&self, address: u64, depth: usize) -> Result<Group> {
        match self.member(address, depth)? {
            Member::Group(group) => Ok(group),
            Member::Array(_) => Err(Error::invalid("an HDF5 file whose root is no group")),
        }
    }

    fn member(&self, address: u64, depth: usize) -> Result<Member> {
        if depth > MAX_DEPTH {
            return Err(Error::invalid(format!("groups of the HDF5 file nest more than {MAX_DEPTH} deep")));
        }
        let messages = self.header(address)?;
        if let Some(array) = self.array(&messages)? {
            return Ok(Member::Array(array));
        }
        let mut group = Group { attributes: self.attributes(&messages)?, members: Vec::new() };
        for (name, address) in self.links(&messages)? {
            let member = self
                .member(address, depth + 1)
                .map_err(|e| if e.fields().layer.is_some() { e } else { e.at(&name) })?;
            group.members.push((name, member));
        }
        Ok(Member::Group(group))
    }
}
