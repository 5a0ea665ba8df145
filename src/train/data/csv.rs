//! Comma-separated values (RFC 4180): quoted fields, doubled quotes, line breaks within quotes.

use crate::error::{Error, Result};
use crate::tensor::Tensor;

/// Rows of text fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// Names of the columns; empty without a header.
    pub names: Vec<String>,
    /// The rows, of one length.
    pub rows: Vec<Vec<String>>,
}

impl Table {
    /// Reads a file. Empty lines are skipped. Errors name the row.
    pub fn read(text: &str, separator: char, header: bool) -> Result<Table> {
        let mut rows = fields(text.strip_prefix('\u{feff}').unwrap_or(text), separator)?;
        let width = rows.first().map_or(0, Vec::len);
        if let Some(odd) = rows.iter().position(|row| row.len() != width) {
            return Err(Error::mismatch(
                format!("row {} has another number of fields", odd + 1),
                width,
                rows[odd].len(),
            ));
        }
        let names = if header && !rows.is_empty() { rows.remove(0) } else { Vec::new() };
        Ok(Table { names, rows })
    }

    /// The place of a column by its name.
    pub fn column(&self, name: &str) -> Result<usize> {
        let place = self.names.iter().position(|n| n == name);
        place.ok_or_else(|| Error::invalid(format!("no column {name:?}; there are {}", self.names.join(", "))))
    }

    /// Columns of numbers as `[rows, columns]`; an empty field is NaN. Errors name the row.
    pub fn numbers(&self, columns: &[usize]) -> Result<Tensor> {
        let mut data = Vec::with_capacity(self.rows.len() * columns.len());
        for (i, row) in self.rows.iter().enumerate() {
            for &column in columns {
                let Some(field) = row.get(column).map(|f| f.trim()) else {
                    return Err(Error::mismatch("no such column", format!("below {}", row.len()), column));
                };
                let number = if field.is_empty() { Ok(f32::NAN) } else { field.parse() };
                let at = i + 1 + !self.names.is_empty() as usize;
                data.push(
                    number.map_err(|_| Error::mismatch(format!("row {at}, column {column}"), "a number", field))?,
                );
            }
        }
        Tensor::f32([self.rows.len(), columns.len()], data)
    }

    /// A column of words as class numbers `[rows]`, and the words in their order.
    pub fn classes(&self, column: usize) -> Result<(Tensor, Vec<String>)> {
        let mut words = Vec::with_capacity(self.rows.len());
        for row in &self.rows {
            let Some(field) = row.get(column) else {
                return Err(Error::mismatch("no such column", format!("below {}", row.len()), column));
            };
            words.push(field.clone());
        }
        let mut classes = words.clone();
        classes.sort_unstable();
        classes.dedup();
        let class = |word: &String| classes.binary_search(word).unwrap_or(0) as i32;
        Ok((Tensor::i32([words.len()], words.iter().map(class).collect::<Vec<_>>())?, classes))
    }
}

fn fields(text: &str, separator: char) -> Result<Vec<Vec<String>>> {
    let mut rows = Vec::new();
    let (mut row, mut field) = (Vec::new(), String::new());
    let mut quoted = false;
    // Whether the field began with a quote: it may be empty then and yet be there.
    let mut was_quoted = false;
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        if quoted {
            match letter {
                '"' if letters.peek() == Some(&'"') => {
                    letters.next();
                    field.push('"');
                }
                '"' => quoted = false,
                other => field.push(other),
            }
        } else if letter == '"' && field.is_empty() && !was_quoted {
            (quoted, was_quoted) = (true, true);
        } else if letter == separator {
            row.push(std::mem::take(&mut field));
            was_quoted = false;
        } else if letter == '\n' || letter == '\r' && letters.peek() == Some(&'\n') {
            if letter == '\r' {
                letters.next();
            }
            if !(row.is_empty() && field.is_empty() && !was_quoted) {
                row.push(std::mem::take(&mut field));
                rows.push(std::mem::take(&mut row));
            }
            was_quoted = false;
        } else {
            field.push(letter);
        }
    }
    if quoted {
        return Err(Error::invalid(format!("row {}: a quote is not closed", rows.len() + 1)));
    }
    if !(row.is_empty() && field.is_empty() && !was_quoted) {
        row.push(field);
        rows.push(row);
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_breaks_and_columns() {
        let text = "\u{feff}size,kind,note\r\n1.5,cat,\"a, b\"\r\n,dog,\"say \"\"no\"\"\nthen\"\n\n3,cat,\"\"";
        let table = Table::read(text, ',', true).unwrap();
        assert_eq!(table.names, ["size", "kind", "note"]);
        assert_eq!(table.rows.len(), 3);
        assert_eq!((table.rows[0][2].as_str(), table.rows[1][2].as_str()), ("a, b", "say \"no\"\nthen"));
        let sizes = table.numbers(&[table.column("size").unwrap()]).unwrap();
        assert_eq!(sizes.shape().as_slice(), [3, 1]);
        assert!(sizes.as_f32().unwrap()[0] == 1.5 && sizes.as_f32().unwrap()[1].is_nan());
        let (labels, words) = table.classes(1).unwrap();
        assert_eq!((labels.as_i32().unwrap(), words), (&[0, 1, 0][..], vec!["cat".to_string(), "dog".to_string()]));
        assert!(table.column("age").is_err() && table.numbers(&[1]).is_err() && table.numbers(&[7]).is_err());
    }

    #[test]
    fn broken_files_are_errors() {
        assert!(Table::read("a,b\n1", ',', true).is_err());
        assert!(Table::read("a,\"b\n1,2", ',', true).is_err());
        assert_eq!(Table::read("", ',', true).unwrap().rows.len(), 0);
        assert_eq!(
            Table::read("1;2\n3;4", ';', false).unwrap().numbers(&[0, 1]).unwrap().as_f32().unwrap(),
            [1.0, 2.0, 3.0, 4.0]
        );
    }
}
