//! A small writer of flatbuffers: a tree of values, laid out parents first.

pub enum Field {
    I8(i8),
    I32(i32),
    Table(Table),
    Tables(Vec<Table>),
    Ints(Vec<i32>),
    Longs(Vec<i64>),
    Bytes(Vec<u8>),
    Text(String),
}

/// Fields by their numbers in the schema.
pub type Table = Vec<(usize, Field)>;

/// A file with this root table and file identifier.
pub fn write(root: &Table, identifier: &[u8; 4]) -> Vec<u8> {
    let mut out = vec![0; 4];
    out.extend(identifier);
    let at = table(&mut out, root);
    out[..4].copy_from_slice(&(at as u32).to_le_bytes());
    crate::seeds::keep("tflite", &out);
    out
}

fn align(out: &mut Vec<u8>, to: usize) {
    out.resize(out.len().next_multiple_of(to), 0);
}

/// Writes a table and what hangs on it; its position.
fn table(out: &mut Vec<u8>, fields: &Table) -> usize {
    let slots = fields.iter().map(|(slot, _)| slot + 1).max().unwrap_or(0);
    align(out, 4);
    let vtable = out.len();
    out.resize(vtable + 4 + 2 * slots, 0);
    align(out, 4);
    let start = out.len();
    // Every field gets four bytes: simple, and aligned.
    let bytes = 4 + 4 * fields.len();
    out.resize(start + bytes, 0);
    out[vtable..vtable + 2].copy_from_slice(&((4 + 2 * slots) as u16).to_le_bytes());
    out[vtable + 2..vtable + 4].copy_from_slice(&(bytes as u16).to_le_bytes());
    out[start..start + 4].copy_from_slice(&((start - vtable) as i32).to_le_bytes());
    for (i, (slot, field)) in fields.iter().enumerate() {
        let place = start + 4 + 4 * i;
        let entry = vtable + 4 + 2 * slot;
        out[entry..entry + 2].copy_from_slice(&((place - start) as u16).to_le_bytes());
        let value = match field {
            Field::I8(n) => *n as u8 as u32,
            Field::I32(n) => *n as u32,
            other => (child(out, other) - place) as u32,
        };
        out[place..place + 4].copy_from_slice(&value.to_le_bytes());
    }
    start
}

/// Writes what a field points to; its position.
fn child(out: &mut Vec<u8>, field: &Field) -> usize {
    // Vectors are aligned to 16 as weights want it: the length stands right before the elements.
    let vector = |out: &mut Vec<u8>, len: usize| {
        align(out, 16);
        out.resize(out.len() + 12, 0);
        out.extend((len as u32).to_le_bytes());
        out.len() - 4
    };
    match field {
        Field::Table(fields) => table(out, fields),
        Field::Tables(tables) => {
            let at = vector(out, tables.len());
            out.resize(out.len() + 4 * tables.len(), 0);
            for (i, fields) in tables.iter().enumerate() {
                let place = at + 4 + 4 * i;
                let offset = (table(out, fields) - place) as u32;
                out[place..place + 4].copy_from_slice(&offset.to_le_bytes());
            }
            at
        }
        Field::Ints(ints) => {
            let at = vector(out, ints.len());
            out.extend(ints.iter().flat_map(|n| n.to_le_bytes()));
            at
        }
        Field::Longs(longs) => {
            let at = vector(out, longs.len());
            out.extend(longs.iter().flat_map(|n| n.to_le_bytes()));
            at
        }
        Field::Bytes(bytes) => {
            let at = vector(out, bytes.len());
            out.extend(bytes);
            at
        }
        Field::Text(text) => {
            let at = vector(out, text.len());
            out.extend(text.bytes());
            out.push(0);
            at
        }
        Field::I8(_) | Field::I32(_) => unreachable!("numbers stand in the table"),
    }
}
