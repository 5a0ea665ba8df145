//! `Einsum`: sums of products, written with a letter for every axis.

use super::values::{Handle, Order, Rule, needs_shapes, plain};
use crate::error::{Error, Result};
use crate::formats::lower::Guessed;
use crate::graph::ValueId;
use crate::ops::{Binary, BinaryKind, MatMul, Reduce, ReduceKind, Slice, SliceAxis};

/// An axis: a letter, or one that the ellipsis stands for, counted from its last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Label {
    Ellipsis(usize),
    Letter(char),
}

/// An operand on its way: ONNX' axes in plain order and what they are called.
#[derive(Clone)]
struct Term {
    value: Handle,
    labels: Vec<Label>,
}

/// The axes that a term stands for; an ellipsis takes what its letters leave of the rank.
fn labels(term: &str, rank: impl FnOnce(usize) -> Result<usize>) -> Result<Vec<Label>> {
    let letters = |text: &str| -> Result<Vec<Label>> {
        let letter = |c: char| match c.is_ascii_alphabetic() {
            true => Ok(Label::Letter(c)),
            false => Err(Error::invalid(format!("the character {c:?} in an equation"))),
        };
        text.chars().map(letter).collect()
    };
    let Some((before, after)) = term.split_once("...") else {
        let labels = letters(term)?;
        let rank = rank(labels.len())?;
        if rank != labels.len() {
            return Err(Error::mismatch(format!("the term {term:?} of the equation"), rank, labels.len()));
        }
        return Ok(labels);
    };
    let (mut list, after) = (letters(before)?, letters(after)?);
    let known = list.len() + after.len();
    let hidden = rank(known)?.checked_sub(known);
    let hidden = hidden.ok_or_else(|| Error::invalid(format!("the term {term:?} has more letters than axes")))?;
    list.extend((0..hidden).rev().map(Label::Ellipsis));
    list.extend(after);
    Ok(list)
}

impl Rule<'_, '_> {
    /// Operands are joined from the left, each pair in one matrix product.
    pub fn einsum(&mut self) -> Result<Handle> {
        let equation = self.node.text("equation")?.ok_or_else(|| Error::invalid("Einsum without an equation"))?;
        let equation: String = equation.split_whitespace().collect();
        let (left, right) = match equation.split_once("->") {
            Some((left, right)) => (left, Some(right)),
            None => (equation.as_str(), None),
        };
        let values = self.all()?;
        let names: Vec<&str> = left.split(',').collect();
        if names.len() != values.len() {
            return Err(Error::mismatch("a term of the equation for every operand", values.len(), names.len()));
        }
        let (mut terms, mut all) = (Vec::with_capacity(values.len()), Vec::new());
        for (&value, name) in values.iter().zip(names) {
            if !self.element(value).is_float() {
                return Err(Error::unsupported("an Einsum of integers"));
            }
            let labels = labels(name, |_| Ok(self.rank(value)))?;
            all.extend_from_slice(&labels);
            terms.push(self.diagonal(Term { value, labels })?);
        }
        all.sort_unstable();
        let widest =
            all.iter().filter_map(|label| if let Label::Ellipsis(i) = label { Some(i + 1) } else { None }).max();
        let output = match right {
            Some(right) => {
                labels(right, |letters| Ok(letters + if right.contains("...") { widest.unwrap_or(0) } else { 0 }))?
            }
            // What the ellipsis stands for, then the letters that occur once.
            None => {
                let once = |label: &&Label| all.iter().filter(|other| other == label).count() == 1;
                let letters = all.iter().filter(|label| matches!(label, Label::Letter(_))).filter(once).copied();
                (0..widest.unwrap_or(0)).rev().map(Label::Ellipsis).chain(letters).collect()
            }
        };
        for (i, label) in output.iter().enumerate() {
            if !all.contains(label) || output[..i].contains(label) {
                return Err(Error::invalid(format!(
                    "the result of the equation {equation:?} names an axis twice or anew"
                )));
            }
        }
        let mut terms = terms.into_iter();
        let mut total = terms.next().ok_or_else(|| Error::invalid("Einsum without operands"))?;
        let mut step = 0;
        while let Some(next) = terms.next() {
            let later: Vec<Label> = terms.clone().flat_map(|term| term.labels).chain(output.iter().copied()).collect();
            total = self.contract(&format!("{step}"), total, next, &later)?;
            step += 1;
        }
        let total = self.summed("sum", total, |label| output.contains(label))?;
        let place = |label: &Label| total.labels.iter().position(|have| have == label).unwrap_or(0);
        let perm: Vec<usize> = output.iter().map(place).collect();
        self.renamed(total.value, &perm)
    }

    /// The diagonal of axes that have one name: every `n + 1`th element of the two as one axis.
    fn diagonal(&mut self, mut term: Term) -> Result<Term> {
        loop {
            let labels = &term.labels;
            let twice = (0..labels.len()).find_map(|b| (0..b).find(|&a| labels[a] == labels[b]).map(|a| [a, b]));
            let Some([a, b]) = twice else { return Ok(term) };
            let (dims, label) = (self.dims(term.value), labels[a]);
            if dims[a] != dims[b] {
                return Err(Error::mismatch("a diagonal of two sizes", dims[a][0], dims[b][0]));
            }
            let [n, other] = dims[a];
            if n != other {
                return Err(needs_shapes("a diagonal"));
            }
            let kept: Order = (0..labels.len()).filter(|axis| ![a, b].contains(axis)).collect();
            let order: Order = kept.iter().copied().chain([a, b]).collect();
            let id = self.form(term.value, &order)?;
            let square = n.checked_mul(n).ok_or_else(|| Error::resource("a diagonal of too many elements"))?;
            let mut target: Vec<Guessed<i64>> = kept.iter().map(|&axis| dims[axis].map(|n| n as i64)).collect();
            target.push([square as i64; 2]);
            let name = self.part("square");
            let id = self.importer.lowering.reshape(&name, id, &target)?;
            let mut axes = vec![SliceAxis::ALL; target.len()];
            axes[kept.len()].step = n as isize + 1;
            let id = self.push("diagonal", Slice { axes }, &[id])?;
            let labels = kept.iter().map(|&axis| labels[axis]).chain([label]).collect();
            term = Term { value: self.made(self.element(term.value), plain(target.len()), id), labels };
        }
    }

    /// The term without the axes that nobody wants, summed over.
    fn summed(&mut self, part: &str, term: Term, wanted: impl Fn(&Label) -> bool) -> Result<Term> {
        let gone = |axis: &usize| !wanted(&term.labels[*axis]);
        let axes: Vec<isize> = (0..term.labels.len()).filter(gone).map(|axis| axis as isize).collect();
        if axes.is_empty() {
            return Ok(term);
        }
        let id = self.plain(term.value)?;
        let id = self.push(part, Reduce { kind: ReduceKind::Sum, axes, keep_dims: false }, &[id])?;
        let labels: Vec<Label> = term.labels.iter().copied().filter(wanted).collect();
        Ok(Term { value: self.made(self.element(term.value), plain(labels.len()), id), labels })
    }

    /// The product of two terms, summed over the axes that both have and nobody needs later.
    fn contract(&mut self, part: &str, a: Term, b: Term, later: &[Label]) -> Result<Term> {
        let a = self.summed(&format!("{part}/left"), a, |l| later.contains(l) || b.labels.contains(l))?;
        let b = self.summed(&format!("{part}/right"), b, |l| later.contains(l) || a.labels.contains(l))?;
        let shared = |label: &&Label| b.labels.contains(label);
        let batch: Vec<Label> = a.labels.iter().filter(shared).filter(|l| later.contains(l)).copied().collect();
        let inner: Vec<Label> = a.labels.iter().filter(shared).filter(|l| !later.contains(l)).copied().collect();
        let rows: Vec<Label> = a.labels.iter().filter(|l| !b.labels.contains(l)).copied().collect();
        let columns: Vec<Label> = b.labels.iter().filter(|l| !a.labels.contains(l)).copied().collect();
        let size = |rule: &Self, term: &Term, label: &Label| -> Guessed<i64> {
            let axis = term.labels.iter().position(|have| have == label);
            axis.map_or([1; 2], |axis| rule.dims(term.value)[axis].map(|n| n as i64))
        };
        for label in &inner {
            let [left, right] = [size(self, &a, label), size(self, &b, label)];
            if left != right {
                return Err(Error::mismatch(format!("the axis {label:?} of the equation"), left[0], right[0]));
            }
        }
        // The result's axes, before their groups are merged.
        let wide = |rule: &Self, label: &Label| {
            let [left, right] = [size(rule, &a, label), size(rule, &b, label)];
            if left == [1, 1] { right } else { left }
        };
        let result: Vec<Label> = batch.iter().chain(&rows).chain(&columns).copied().collect();
        let target: Vec<Guessed<i64>> = result.iter().map(|label| wide(self, label)).collect();
        let name = self.part(&format!("{part}/product"));
        let id = if inner.is_empty() {
            // [batch, rows, 1] times [batch, 1, columns], element by element.
            let left = self.grouped(&format!("{part}/a"), &a, &[&batch, &rows, &columns], size)?;
            let right = self.grouped(&format!("{part}/b"), &b, &[&batch, &rows, &columns], size)?;
            self.push(&format!("{part}/outer"), Binary::new(BinaryKind::Mul), &[left, right])?
        } else {
            let left = self.merged(&format!("{part}/a"), &a, &batch, [&rows, &inner], size)?;
            let right = self.merged(&format!("{part}/b"), &b, &batch, [&inner, &columns], size)?;
            let id = self.push(&format!("{part}/matrix"), MatMul::default(), &[left, right])?;
            self.importer.lowering.reshape(&name, id, &target)?
        };
        Ok(Term { value: self.made(self.element(a.value), plain(result.len()), id), labels: result })
    }

    /// The term with its axes in the order of the groups; size 1 where it has none.
    fn grouped(
        &mut self,
        part: &str,
        term: &Term,
        groups: &[&Vec<Label>],
        size: impl Fn(&Self, &Term, &Label) -> Guessed<i64>,
    ) -> Result<ValueId> {
        let wanted: Vec<Label> = groups.iter().flat_map(|group| group.iter().copied()).collect();
        let order: Order =
            wanted.iter().filter_map(|label| term.labels.iter().position(|have| have == label)).collect();
        let id = self.form(term.value, &order)?;
        let target: Vec<Guessed<i64>> = wanted.iter().map(|label| size(self, term, label)).collect();
        let name = self.part(part);
        self.importer.lowering.reshape(&name, id, &target)
    }

    /// The term as matrices: the batch's axes, then two groups of axes, each as one.
    fn merged(
        &mut self,
        part: &str,
        term: &Term,
        batch: &[Label],
        groups: [&Vec<Label>; 2],
        size: impl Fn(&Self, &Term, &Label) -> Guessed<i64>,
    ) -> Result<ValueId> {
        let wanted: Vec<Label> = batch.iter().chain(groups[0]).chain(groups[1]).copied().collect();
        let order: Order =
            wanted.iter().filter_map(|label| term.labels.iter().position(|have| have == label)).collect();
        let id = self.form(term.value, &order)?;
        let mut target: Vec<Guessed<i64>> = batch.iter().map(|label| size(self, term, label)).collect();
        for group in groups {
            let sizes = group.iter().map(|label| size(self, term, label));
            target.push(sizes.fold([1; 2], |all, n| [0, 1].map(|guess| all[guess] * n[guess])));
        }
        let name = self.part(part);
        self.importer.lowering.reshape(&name, id, &target)
    }
}
