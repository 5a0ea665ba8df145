//! The part of Python's pickles that PyTorch's checkpoints are made of.
//!
//! A pickle is a program for a small stack machine which in Python may call anything. Here it builds plain values,
//! and nothing is called: of the names it may mention, the few that stand for tensors and their storages are known,
//! every other one is an error. Values lie in flat lists and refer to each other by index, so that neither depth nor
//! sharing costs more than the file's own length.

use std::collections::HashMap;

use crate::error::{Error, Result};

/// A value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Value<'a> {
    None,
    Bool(bool),
    Int(i64),
    /// Numbers that no tensor has: floats, and integers of more than 8 bytes.
    Other,
    Text(&'a str),
    Global(Global),
    /// A tuple or a list, see [`Heap::items`].
    Items(usize),
    /// See [`Heap::dict`].
    Dict(usize),
    /// See [`Heap::storages`].
    Storage(usize),
    /// See [`Heap::tensors`].
    Tensor(usize),
}

/// The names that a checkpoint may mention.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Global {
    OrderedDict,
    /// A tensor from a storage, an offset, sizes and strides.
    Tensor,
    /// A tensor that is trained.
    Parameter,
    Storage(Element),
}

/// What a storage holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Element {
    F32,
    F16,
    BF16,
    F64,
    I64,
    I32,
    U8,
}

impl Element {
    pub(super) fn bytes(self) -> usize {
        match self {
            Element::F64 | Element::I64 => 8,
            Element::F32 | Element::I32 => 4,
            Element::F16 | Element::BF16 => 2,
            Element::U8 => 1,
        }
    }
}

/// A block of numbers that lies elsewhere in the file.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Storage<'a> {
    pub key: &'a str,
    pub element: Element,
    pub count: usize,
}

/// A view into a storage.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct TensorRef {
    /// Index into [`Heap::storages`].
    pub storage: usize,
    pub offset: usize,
    pub shape: Vec<usize>,
    pub strides: Vec<usize>,
}

/// All values of a pickle.
#[derive(Debug, Default)]
pub(super) struct Heap<'a> {
    items: Vec<Vec<Value<'a>>>,
    dicts: Vec<Vec<(Value<'a>, Value<'a>)>>,
    pub storages: Vec<Storage<'a>>,
    pub tensors: Vec<TensorRef>,
}

impl<'a> Heap<'a> {
    pub(super) fn items(&self, value: Value) -> Option<&[Value<'a>]> {
        match value {
            Value::Items(index) => self.items.get(index).map(Vec::as_slice),
            _ => None,
        }
    }

    pub(super) fn dict(&self, value: Value) -> Option<&[(Value<'a>, Value<'a>)]> {
        match value {
            Value::Dict(index) => self.dicts.get(index).map(Vec::as_slice),
            _ => None,
        }
    }

    fn numbers(&self, value: Value) -> Option<Vec<usize>> {
        self.items(value)?.iter().map(|v| if let Value::Int(n) = v { usize::try_from(*n).ok() } else { None }).collect()
    }
}

/// Reads the pickle at `at`; its value, and where the next byte is.
pub(super) fn read<'a>(bytes: &'a [u8], at: usize, heap: &mut Heap<'a>) -> Result<(Value<'a>, usize)> {
    let mut machine = Machine { bytes, at, stack: Vec::new(), marks: Vec::new(), memo: HashMap::new(), heap };
    loop {
        let place = machine.at;
        match machine.step() {
            Ok(None) => {}
            Ok(Some(value)) => return Ok((value, machine.at)),
            Err(error) => return Err(error.at(format!("offset {place}"))),
        }
    }
}

struct Machine<'a, 'h> {
    bytes: &'a [u8],
    at: usize,
    stack: Vec<Value<'a>>,
    /// Heights of the stack.
    marks: Vec<usize>,
    memo: HashMap<u32, Value<'a>>,
    heap: &'h mut Heap<'a>,
}

impl<'a> Machine<'a, '_> {
    /// One instruction; the pickle's value when it stops.
    fn step(&mut self) -> Result<Option<Value<'a>>> {
        let code = self.take(1)?[0];
        let value = match code {
            // PROTO
            0x80 => {
                let version = self.take(1)?[0];
                if version > 5 {
                    return Err(Error::unsupported(format!("pickles of version {version}")));
                }
                return Ok(None);
            }
            // FRAME: a length that says nothing here.
            0x95 => return self.take(8).map(|_| None),
            b'.' => return self.pop().map(Some),
            b'(' => {
                self.marks.push(self.stack.len());
                return Ok(None);
            }
            b'N' => Value::None,
            0x88 => Value::Bool(true),
            0x89 => Value::Bool(false),
            b'J' => Value::Int(self.number(4)? as u32 as i32 as i64),
            b'K' => Value::Int(self.number(1)? as i64),
            b'M' => Value::Int(self.number(2)? as i64),
            // LONG1: two's complement of any length.
            0x8a => {
                let length = self.number(1)? as usize;
                let digits = self.take(length)?;
                match digits {
                    [] => Value::Int(0),
                    [.., high] if length <= 8 => {
                        let fill = if high & 0x80 == 0 { 0 } else { -1i64 };
                        Value::Int(digits.iter().rev().fold(fill, |n, &byte| n << 8 | byte as i64))
                    }
                    _ => Value::Other,
                }
            }
            b'G' => self.take(8).map(|_| Value::Other)?,
            b'X' => self.text(4)?,
            0x8c => self.text(1)?,
            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                Value::Global(global(module, name)?)
            }
            // STACK_GLOBAL
            0x93 => match (self.pop()?, self.pop()?) {
                (Value::Text(name), Value::Text(module)) => Value::Global(global(module, name)?),
                _ => return Err(Error::invalid("a name that is no text")),
            },
            // BINPUT, LONG_BINPUT, MEMOIZE
            b'q' | b'r' | 0x94 => {
                let key = match code {
                    b'q' => self.number(1)? as u32,
                    b'r' => self.number(4)? as u32,
                    _ => self.memo.len() as u32,
                };
                let value = *self.top()?;
                self.memo.insert(key, value);
                return Ok(None);
            }
            // BINGET, LONG_BINGET
            b'h' | b'j' => {
                let key = self.number(if code == b'h' { 1 } else { 4 })? as u32;
                *self.memo.get(&key).ok_or_else(|| Error::invalid(format!("no value was remembered as {key}")))?
            }
            b')' => self.sequence(Vec::new()),
            b']' => self.sequence(Vec::new()),
            b'}' => self.dictionary(),
            b't' | b'l' => {
                let items = self.since_mark()?;
                self.sequence(items)
            }
            0x85..=0x87 => {
                let count = (code - 0x84) as usize;
                let from = self.stack.len().checked_sub(count).filter(|&from| from >= self.floor());
                let items = self.stack.split_off(from.ok_or_else(empty)?);
                self.sequence(items)
            }
            b'a' | b'e' => {
                let items = if code == b'a' { vec![self.pop()?] } else { self.since_mark()? };
                let Value::Items(list) = *self.top()? else { return Err(Error::invalid("appends to what is no list")) };
                self.heap.items[list].extend(items);
                return Ok(None);
            }
            b's' | b'u' => {
                let items = if code == b's' {
                    let value = self.pop()?;
                    vec![self.pop()?, value]
                } else {
                    self.since_mark()?
                };
                let Value::Dict(dict) = *self.top()? else { return Err(Error::invalid("sets a key of no dictionary")) };
                let (pairs, rest) = items.as_chunks::<2>();
                if !rest.is_empty() {
                    return Err(Error::invalid("a key without a value"));
                }
                self.heap.dicts[dict].extend(pairs.iter().map(|&[key, value]| (key, value)));
                return Ok(None);
            }
            // BUILD: attributes of the object (of a state_dict, the versions of its modules), which say nothing about
            // tensors.
            b'b' => return self.pop().map(|_| None),
            // BINPERSID
            b'Q' => {
                let id = self.pop()?;
                self.storage(id)?
            }
            b'R' => {
                let arguments = self.pop()?;
                let Value::Global(global) = self.pop()? else {
                    return Err(Error::invalid("a call of what is no name"));
                };
                self.call(global, arguments)?
            }
            other => return Err(Error::unsupported(format!("the pickle instruction 0x{other:02x}"))),
        };
        self.stack.push(value);
        Ok(None)
    }

    /// What a name makes of its arguments.
    fn call(&mut self, global: Global, arguments: Value<'a>) -> Result<Value<'a>> {
        let given = self.heap.items(arguments).ok_or_else(|| Error::invalid("arguments that are no tuple"))?;
        match (global, given) {
            (Global::OrderedDict, []) => Ok(self.dictionary()),
            (Global::Parameter, [tensor @ Value::Tensor(_), ..]) => Ok(*tensor),
            (Global::Tensor, &[Value::Storage(storage), Value::Int(offset), shape, strides, ..]) => {
                let tensor = usize::try_from(offset).ok().and_then(|offset| {
                    let (shape, strides) = (self.heap.numbers(shape)?, self.heap.numbers(strides)?);
                    (shape.len() == strides.len()).then_some(TensorRef { storage, offset, shape, strides })
                });
                self.heap.tensors.push(tensor.ok_or_else(|| Error::invalid("a tensor of impossible sizes"))?);
                Ok(Value::Tensor(self.heap.tensors.len() - 1))
            }
            _ => Err(Error::unsupported("a call with other arguments than PyTorch's")),
        }
    }

    /// A storage from `("storage", class, key, device, count, ...)`.
    fn storage(&mut self, id: Value<'a>) -> Result<Value<'a>> {
        let storage = match self.heap.items(id) {
            Some(
                &[
                    Value::Text("storage"),
                    Value::Global(Global::Storage(element)),
                    Value::Text(key),
                    _,
                    Value::Int(count),
                    ..,
                ],
            ) => usize::try_from(count).ok().map(|count| Storage { key, element, count }),
            _ => None,
        };
        self.heap.storages.push(storage.ok_or_else(|| Error::unsupported("a reference to what is no storage"))?);
        Ok(Value::Storage(self.heap.storages.len() - 1))
    }

    fn sequence(&mut self, items: Vec<Value<'a>>) -> Value<'a> {
        self.heap.items.push(items);
        Value::Items(self.heap.items.len() - 1)
    }

    fn dictionary(&mut self) -> Value<'a> {
        self.heap.dicts.push(Vec::new());
        Value::Dict(self.heap.dicts.len() - 1)
    }

    /// Where the stack above the last mark begins.
    fn floor(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    fn top(&self) -> Result<&Value<'a>> {
        self.stack[self.floor()..].last().ok_or_else(empty)
    }

    fn pop(&mut self) -> Result<Value<'a>> {
        if self.stack.len() <= self.floor() {
            return Err(empty());
        }
        self.stack.pop().ok_or_else(empty)
    }

    fn since_mark(&mut self) -> Result<Vec<Value<'a>>> {
        let mark = self.marks.pop().ok_or_else(|| Error::invalid("a pickle without the mark that it refers to"))?;
        Ok(self.stack.split_off(mark))
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        let taken = self.at.checked_add(count).and_then(|end| self.bytes.get(self.at..end));
        let taken = taken.ok_or_else(|| Error::invalid("the pickle is cut off"))?;
        self.at += count;
        Ok(taken)
    }

    fn number(&mut self, bytes: usize) -> Result<u64> {
        Ok(self.take(bytes)?.iter().rev().fold(0, |n, &byte| n << 8 | byte as u64))
    }

    fn text(&mut self, length_bytes: usize) -> Result<Value<'a>> {
        let length = self.number(length_bytes)? as usize;
        utf8(self.take(length)?).map(Value::Text)
    }

    fn line(&mut self) -> Result<&'a str> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let end = rest.iter().position(|&byte| byte == b'\n').ok_or_else(|| Error::invalid("the pickle is cut off"))?;
        self.at += end + 1;
        utf8(&rest[..end])
    }
}

fn empty() -> Error {
    Error::invalid("a pickle that takes more from its stack than there is")
}

fn utf8(bytes: &[u8]) -> Result<&str> {
    std::str::from_utf8(bytes).map_err(|_| Error::invalid("a text that is not UTF-8"))
}

fn global(module: &str, name: &str) -> Result<Global> {
    let element = match name {
        "FloatStorage" => Element::F32,
        "HalfStorage" => Element::F16,
        "BFloat16Storage" => Element::BF16,
        "DoubleStorage" => Element::F64,
        "LongStorage" => Element::I64,
        "IntStorage" => Element::I32,
        "ByteStorage" | "BoolStorage" => Element::U8,
        _ => {
            return match (module, name) {
                ("collections", "OrderedDict") => Ok(Global::OrderedDict),
                ("torch._utils", "_rebuild_tensor_v2") => Ok(Global::Tensor),
                ("torch._utils", "_rebuild_parameter") => Ok(Global::Parameter),
                _ => Err(Error::unsupported(format!(
                    "the checkpoint needs Python's {module}.{name}: only state_dicts (tensors by name) are read"
                ))),
            };
        }
    };
    if module == "torch" { Ok(Global::Storage(element)) } else { Err(Error::unsupported(format!("{module}.{name}"))) }
}
