//! A tiny preprocessor for WGSL: one file serves many variants, and shared parts are written once.
//!
//! Line directives: `#include "file"` (each file once), `#define NAME value`, `#if`, `#ifdef`, `#ifndef`, `#elif`,
//! `#else`, `#endif`. A condition is `A == B` or `A != B` (compared as text, after substitution) or a single name, true
//! if it stands for anything but `0`. Defined names are replaced wherever they stand as whole identifiers, and
//! `__COUNTER__` gives 0, 1, 2, ... as in C (bindings number themselves, whatever variant they belong to).

use std::cell::Cell;
use std::collections::{HashMap, HashSet};

use crate::error::{Error, Result};

/// Most nested substitutions: enough for a name that stands for a name, and an end for one that stands for itself.
const DEPTH: usize = 8;

/// Where a file is being read: whether the line has begun, whether a comment has, whether it is a directive.
#[derive(Clone, Copy)]
struct Line {
    begun: bool,
    comment: bool,
    directive: bool,
}

const START: Line = Line { begun: false, comment: false, directive: false };

/// Whether byte `i` of a file is neither comment nor indentation nor a space that separates nothing; `line` is brought up to
/// date. Line ends stay, so that lines keep their numbers.
const fn kept(text: &[u8], i: usize, line: &mut Line) -> bool {
    if text[i] == b'\n' {
        *line = START;
        return true;
    }
    if text[i] == b'/' && i + 1 < text.len() && text[i + 1] == b'/' {
        line.comment = true;
    }
    if !line.begun && text[i] != b' ' {
        line.begun = true;
        line.directive = text[i] == b'#';
    }
    line.begun && !line.comment && (text[i] != b' ' || line.directive || separates(text, i))
}

/// Whether the space at `i` keeps two names, or two operators, apart.
const fn separates(text: &[u8], i: usize) -> bool {
    const fn is_word(byte: u8) -> bool {
        byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'.' || byte >= 0x80
    }
    const fn is_operator(byte: u8) -> bool {
        matches!(byte, b'+' | b'-' | b'*' | b'/' | b'%' | b'<' | b'>' | b'=' | b'&' | b'|' | b'!' | b'^' | b'~')
    }
    let mut next = i + 1;
    while next < text.len() && text[next] == b' ' {
        next += 1;
    }
    if next >= text.len() || text[i - 1] == b' ' {
        return false;
    }
    let (a, b) = (text[i - 1], text[next]);
    is_word(a) && is_word(b) || is_operator(a) && is_operator(b)
}

/// Length of [`bare`].
pub(super) const fn bare_length(text: &str) -> usize {
    let text = text.as_bytes();
    let (mut length, mut line, mut i) = (0, START, 0);
    while i < text.len() {
        length += kept(text, i, &mut line) as usize;
        i += 1;
    }
    length
}

/// A file without its `//` comments, its indentation and spaces that separate nothing, while compiling.
pub(super) const fn bare<const N: usize>(text: &str) -> [u8; N] {
    let text = text.as_bytes();
    let mut bare = [0; N];
    let (mut length, mut line, mut i) = (0, START, 0);
    while i < text.len() {
        if kept(text, i, &mut line) {
            bare[length] = text[i];
            length += 1;
        }
        i += 1;
    }
    bare
}

/// Bytes of [`bare`] as text.
pub(super) const fn as_text(bytes: &[u8]) -> &str {
    match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(_) => panic!("a shader is not UTF-8"),
    }
}

/// Expands `file`. `sources` gives a file's text by name; `defines` hold from the first line on.
pub fn expand(
    file: &str,
    sources: &dyn Fn(&str) -> Option<&'static str>,
    defines: &[(&'static str, String)],
) -> Result<String> {
    let mut state = State {
        sources,
        defines: defines.iter().map(|(name, value)| (name.to_string(), value.clone())).collect(),
        included: HashSet::new(),
        counter: Cell::new(0),
        text: String::new(),
    };
    state.file(file)?;
    Ok(state.text)
}

struct State<'a> {
    sources: &'a dyn Fn(&str) -> Option<&'static str>,
    defines: HashMap<String, String>,
    included: HashSet<String>,
    counter: Cell<u32>,
    text: String,
}

/// One open `#if`: whether lines are kept now, and whether a branch has been taken already.
struct Branch {
    active: bool,
    taken: bool,
}

impl State<'_> {
    fn file(&mut self, name: &str) -> Result<()> {
        if !self.included.insert(name.to_string()) {
            return Ok(());
        }
        let source = (self.sources)(name).ok_or_else(|| Error::invalid(format!("no shader file {name:?}")))?;
        let mut branches: Vec<Branch> = Vec::new();
        for (number, line) in source.lines().enumerate() {
            let fail = |what: &str| Error::invalid(format!("{name}:{}: {what}: {}", number + 1, line.trim()));
            let active = branches.iter().all(|b| b.active);
            let Some(directive) = line.trim_start().strip_prefix('#') else {
                if active {
                    let line = self.substitute(line, DEPTH);
                    self.text.push_str(&line);
                    self.text.push('\n');
                }
                continue;
            };
            let (word, rest) = directive.split_once(char::is_whitespace).unwrap_or((directive, ""));
            let rest = rest.split("//").next().unwrap_or("").trim();
            match word {
                "if" | "ifdef" | "ifndef" => {
                    let holds = match word {
                        "if" => self.condition(rest),
                        "ifdef" => self.defines.contains_key(rest),
                        _ => !self.defines.contains_key(rest),
                    };
                    branches.push(Branch { active: holds, taken: holds });
                }
                "elif" => {
                    let holds = self.condition(rest);
                    let branch = branches.last_mut().ok_or_else(|| fail("no open #if"))?;
                    branch.active = holds && !branch.taken;
                    branch.taken |= holds;
                }
                "else" => {
                    let branch = branches.last_mut().ok_or_else(|| fail("no open #if"))?;
                    branch.active = !branch.taken;
                    branch.taken = true;
                }
                "endif" => {
                    branches.pop().ok_or_else(|| fail("no open #if"))?;
                }
                _ if !active => {}
                "include" => {
                    let file = rest.strip_prefix('"').and_then(|r| r.strip_suffix('"'));
                    self.file(file.ok_or_else(|| fail("wants a quoted file name"))?)?;
                }
                "define" => {
                    let (key, value) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
                    self.defines.insert(key.to_string(), value.trim().to_string());
                }
                _ => return Err(fail("unknown directive")),
            }
        }
        if branches.is_empty() { Ok(()) } else { Err(Error::invalid(format!("{name}: #if without #endif"))) }
    }

    fn condition(&self, text: &str) -> bool {
        let value = |t: &str| self.substitute(t.trim(), DEPTH);
        if let Some((a, b)) = text.split_once("==") {
            value(a) == value(b)
        } else if let Some((a, b)) = text.split_once("!=") {
            value(a) != value(b)
        } else {
            self.defines.contains_key(text) && value(text) != "0"
        }
    }

    /// Replaces every defined identifier of a line.
    fn substitute(&self, line: &str, depth: usize) -> String {
        let mut out = String::with_capacity(line.len());
        let mut rest = line;
        while let Some(first) = rest.chars().next() {
            let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
            let same = |c: char| word(c) == word(first);
            let (token, tail) = rest.split_at(rest.find(|c| !same(c)).unwrap_or(rest.len()));
            match self.defines.get(token) {
                None if token == "__COUNTER__" => {
                    out.push_str(&self.counter.replace(self.counter.get() + 1).to_string())
                }
                Some(value) if depth > 0 => out.push_str(&self.substitute(value, depth - 1)),
                _ => out.push_str(token),
            }
            rest = tail;
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(text: &'static str, defines: &[(&'static str, String)]) -> Result<String> {
        let sources = move |name: &str| match name {
            "main" => Some(text),
            "part" => Some("part T\n"),
            "open" => Some("#if 1\n"),
            _ => None,
        };
        expand("main", &sources, defines)
    }

    #[test]
    fn replaces_whole_identifiers_only() {
        let defines = [("T", "vec4<f32>".to_string()), ("N", "T".to_string())];
        assert_eq!(run("T xT T_ N(T)", &defines).unwrap(), "vec4<f32> xT T_ vec4<f32>(vec4<f32>)\n");
    }

    #[test]
    fn a_name_that_stands_for_itself_ends() {
        assert_eq!(run("#define A A\nA", &[]).unwrap(), "A\n");
    }

    #[test]
    fn counts() {
        assert_eq!(run("__COUNTER__\n#if 1 == 0\n__COUNTER__\n#endif\n__COUNTER__", &[]).unwrap(), "0\n1\n");
    }

    #[test]
    fn chooses_one_branch() {
        let text = "#if KIND == Max\na\n#elif KIND == Min\nb\n#elif KIND != Sum\nc\n#else\nd\n#endif\ne";
        let of = |kind: &str| run(text, &[("KIND", kind.to_string())]).unwrap();
        assert_eq!([of("Max"), of("Min"), of("Prod"), of("Sum")], ["a\ne\n", "b\ne\n", "c\ne\n", "d\ne\n"]);
    }

    #[test]
    fn nested_branches_and_names() {
        let text = "#ifdef A\n#if A\n1\n#else\n0\n#endif\n#else\nnone\n#endif\n#ifndef A\n#define B 2\n#endif\nB";
        assert_eq!(run(text, &[("A", "1".into())]).unwrap(), "1\nB\n");
        assert_eq!(run(text, &[("A", "0".into())]).unwrap(), "0\nB\n");
        assert_eq!(run(text, &[]).unwrap(), "none\n2\n");
    }

    #[test]
    fn includes_each_file_once() {
        assert_eq!(run("#define T 7\n#include \"part\"\n#include \"part\"\nend", &[]).unwrap(), "part 7\nend\n");
    }

    #[test]
    fn says_what_is_wrong() {
        for text in [
            "#include \"lost\"",
            "#include part",
            "#else",
            "#endif",
            "#elif 1",
            "#if 1",
            "#include \"open\"",
            "#pragma",
        ] {
            assert!(run(text, &[]).is_err(), "{text}");
        }
    }
}
