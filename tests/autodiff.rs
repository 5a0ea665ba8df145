//! Gradients against differences, for every operation: each conformance case is differentiated by all its float operands,
//! constants included, and the derivative along a random direction compared with a central difference of the reference
//! interpreter. The list has every operation, so a new one without a gradient fails here, unless it is named below.
#![cfg(all(feature = "conformance", not(target_arch = "wasm32")))]

use std::sync::Arc;

use striate::autodiff::{gradients, pull_back};
use striate::conformance::{Case, cases};
use striate::graph::{Graph, Output, Source, ValueId};
use striate::ops::{BatchNorm, BatchNormStatistics, Binary, BinaryKind, Op, Unary};
use striate::{DType, Data, Tensor, TensorType, reference};

/// What has no gradient though its result is a float.
fn has_no_gradient(op: &Op) -> bool {
    matches!(
        op,
        Op::UnaryBackward(_)
            | Op::Conv2dBackwardInput(_)
            | Op::Conv2dBackwardFilter(_)
            | Op::DepthwiseConv2dBackwardInput(_)
            | Op::DepthwiseConv2dBackwardFilter(_)
            | Op::MaxPool2dBackward(_)
            | Op::AvgPool2dBackward(_)
            | Op::ResizeBackward(_)
            | Op::BatchNormBackward(_)
            | Op::OptimizerStep(_)
            | Op::NonMaxSuppression(_)
    )
}

/// Whether an op jumps: differences across a jump say nothing.
fn jumps(op: &Op) -> bool {
    match op {
        Op::Unary(op) => op.saved().is_none(),
        Op::Binary(op) => op.kind.is_comparison() || matches!(op.kind, BinaryKind::FloorDiv | BinaryKind::FloorMod),
        _ => false,
    }
}

/// Numbers in -1..1 by a generator of its own.
struct Random(u64);

impl Random {
    fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 40) as f32 / (1 << 23) as f32 - 1.0
    }

    fn tensor(&mut self, kind: &TensorType) -> Tensor {
        Tensor::f32(kind.shape.clone(), (0..kind.shape.elements()).map(|_| self.next()).collect::<Vec<_>>()).unwrap()
    }
}

/// The graph with variables in the place of float constants and inputs, so that these can be changed; other inputs
/// become constants.
fn opened(case: &Case) -> Graph {
    let mut graph = Graph::new();
    let mut moved: Vec<ValueId> = Vec::new();
    for value in case.graph.values() {
        let copy = match &value.source {
            Source::Input(i) => place(&mut graph, &case.inputs[*i]),
            Source::Constant(tensor) => place(&mut graph, tensor),
            Source::Variable(i) => place(&mut graph, &case.graph.variables()[*i].initial),
            Source::Node { node, output: 0 } => {
                let node = &case.graph.nodes()[node.index()];
                let inputs: Vec<_> = node.inputs.iter().map(|v| moved[v.index()]).collect();
                moved.extend(graph.push(&node.name, node.op.clone(), &inputs).unwrap());
                continue;
            }
            Source::Node { .. } => continue,
        };
        moved.push(copy);
    }
    for output in case.graph.outputs() {
        graph.output(&output.name, moved[output.value.index()]);
    }
    graph
}

fn place(graph: &mut Graph, tensor: &Tensor) -> ValueId {
    match tensor.dtype() {
        DType::F32 => graph.variable("v", tensor.clone()),
        _ => graph.constant("c", tensor.clone()),
    }
}

fn floats(tensor: &Tensor) -> impl Iterator<Item = f64> + '_ {
    tensor.as_f32().unwrap().iter().map(|&v| v as f64)
}

/// `values + step * direction`.
fn moved(values: &[Arc<Tensor>], direction: &[Tensor], step: f32) -> Vec<Arc<Tensor>> {
    let one = |(value, direction): (&Arc<Tensor>, &Tensor)| {
        let sums = floats(value).zip(floats(direction)).map(|(v, d)| (v + step as f64 * d) as f32);
        Arc::new(Tensor::f32(value.shape().clone(), sums.collect::<Vec<_>>()).unwrap())
    };
    values.iter().zip(direction).map(one).collect()
}

/// Compares the derivative along a direction; `Ok(None)` if there is nothing to compare.
fn check(case: &Case) -> Result<Option<f64>, String> {
    let graph = opened(case);
    let types = graph.infer(&[]).unwrap();
    let mut random = Random(case.name.bytes().fold(7, |h, b| h.wrapping_mul(31) + b as u64));
    let wrt: Vec<ValueId> = graph.variables().iter().map(|v| v.value).collect();
    let outputs: Vec<ValueId> = graph.outputs().iter().map(|o| o.value).collect();
    let watched: Vec<usize> = (0..outputs.len()).filter(|&i| types[outputs[i]].dtype == DType::F32).collect();
    if wrt.is_empty() || watched.is_empty() {
        return Ok(None);
    }
    let upstream: Vec<Tensor> = watched.iter().map(|&i| random.tensor(&types[outputs[i]])).collect();

    let mut backward = graph.clone();
    let pairs: Vec<_> =
        watched.iter().zip(&upstream).map(|(&i, u)| (outputs[i], backward.constant("upstream", u.clone()))).collect();
    let found = match pull_back(&mut backward, &[], &pairs, &wrt) {
        Ok(found) => found,
        Err(error) if graph.nodes().iter().any(|n| has_no_gradient(&n.op)) && error.layer().is_some() => {
            return Ok(None);
        }
        Err(error) => return Err(error.to_string()),
    };
    for (gradient, value) in found.iter().zip(&wrt) {
        let kinds = backward.infer(&[]).map_err(|e| e.to_string())?;
        if gradient.is_some_and(|g| kinds[g] != kinds[*value]) {
            return Err(format!("a gradient of another type: {}", kinds[gradient.unwrap()]));
        }
    }
    backward.set_outputs(found.iter().flatten().map(|&value| Output { name: "g".into(), value }).collect());
    let mut computed = reference::run(&backward, &[]).map_err(|e| e.to_string())?.into_iter();
    if graph.nodes().iter().any(|n| jumps(&n.op)) {
        return Ok(None);
    }

    let values = reference::initial(&graph);
    // Each element by a part of its own size.
    let mut part = |v: f64| v.abs().clamp(1e-2, 1.0).copysign(random.next() as f64) as f32;
    let direction: Vec<Tensor> = values
        .iter()
        .map(|v| Tensor::f32(v.shape().clone(), floats(v).map(&mut part).collect::<Vec<_>>()).unwrap())
        .collect();
    let of = |values: &[Arc<Tensor>]| -> f64 {
        let outputs = reference::run_with(&graph, &[], &mut values.to_vec()).unwrap();
        let sum = |(&i, u): (&usize, &Tensor)| floats(&outputs[i]).zip(floats(u)).map(|(y, u)| y * u).sum::<f64>();
        watched.iter().zip(&upstream).map(sum).sum()
    };
    let gradient = found.iter().map(|g| g.map(|_| computed.next().unwrap())).collect::<Vec<_>>();
    // A long step is exact to more digits, a short one crosses fewer kinks.
    let mut tried = Vec::new();
    for step in [1e-3, 1e-4, 3e-5, 1e-6] {
        let [above, below] = [step, -step].map(|step| moved(&values, &direction, step));
        let difference = of(&above) - of(&below);
        // Along the way that was really taken, rounded as it was.
        let (mut derivative, mut square) = (0.0, 0.0);
        for ((gradient, above), below) in gradient.iter().zip(&above).zip(&below) {
            let Some(gradient) = gradient else { continue };
            for (g, d) in floats(gradient).zip(floats(above).zip(floats(below)).map(|(a, b)| a - b)) {
                derivative += g * d;
                square += (g * d) * (g * d);
            }
        }
        let used = (difference - derivative).abs() / (1e-2 * square.sqrt() + 2e-3 * step as f64);
        if used <= 1.0 {
            return Ok(Some(used));
        }
        tried.push((difference / derivative, used));
    }
    Err(format!("differences by derivatives, and errors as parts of what is allowed: {tried:?}"))
}

#[test]
fn every_operation_agrees_with_differences() {
    let filter = std::env::var("STRIATE_CASE").unwrap_or_default();
    // Values on kinks, ties, and values beyond what squares fit in.
    let left_out = |c: &Case| ["edges", "halves", "ties", "large_logits"].iter().any(|word| c.name.contains(word));
    let wanted = |c: &&Case| c.name.contains(&filter) && !left_out(c);
    let (mut compared, mut worst, mut failures) = (0, 0f64, Vec::new());
    for case in cases().iter().filter(wanted) {
        match check(case) {
            Ok(used) => {
                compared += used.is_some() as usize;
                worst = worst.max(used.unwrap_or(0.0));
            }
            Err(error) => failures.push(format!("{}: {error}", case.name)),
        }
    }
    println!("{compared} cases compared; worst {:.0}% of what is allowed", worst * 100.0);
    assert!(failures.is_empty(), "{} fail:\n{}", failures.len(), failures.join("\n"));
    assert!(compared > 200 || !filter.is_empty(), "only {compared}");
}

/// Batch normalisation, which no backend sees and so no conformance case has: by given statistics, by the batch's own,
/// and by the batch's own used for something else too.
#[test]
fn batch_normalisation_agrees_with_differences() {
    for kind in ["given", "own", "other"] {
        let mut random = Random(11);
        let mut tensor = |shape: &[usize]| random.tensor(&TensorType::f32(shape));
        let mut graph = Graph::new();
        let x = graph.constant("x", tensor(&[3, 2, 5, 7]));
        let [gamma, beta, mean] = ["gamma", "beta", "mean"].map(|n| graph.constant(n, tensor(&[7])));
        let raw = graph.constant("raw", tensor(&[7]));
        let given = graph.add("variance", Unary::Square, &[raw]).unwrap();
        let operand = if kind == "other" { graph.add("tanh", Unary::Tanh, &[x]).unwrap() } else { x };
        let own = graph.push("statistics", BatchNormStatistics, &[x]).unwrap();
        let [mean, variance] = if kind == "given" { [mean, given] } else { [own[0], own[1]] };
        let y = graph.add("norm", BatchNorm { epsilon: 0.01 }, &[operand, gamma, beta, mean, variance]).unwrap();
        graph.output("y", y);
        if kind == "other" {
            graph.output("mean", mean);
        }
        let case = Case { name: kind.into(), graph, inputs: Vec::new() };
        assert!(check(&case).unwrap().is_some(), "{kind}");
        let mut graph = case.graph;
        let upstream = graph.constant("upstream", tensor(&[3, 2, 5, 7]));
        pull_back(&mut graph, &[], &[(y, upstream)], &[x, gamma, beta]).unwrap();
        let fused = graph.nodes().iter().any(|n| matches!(n.op, Op::BatchNormBackward(_)));
        assert_eq!(fused, kind == "own");
    }
}

/// The gradients of a loss, computed.
fn run(mut graph: Graph, loss: ValueId, wrt: &[ValueId]) -> Vec<Vec<f32>> {
    let found = gradients(&mut graph, &[], loss, wrt).unwrap();
    graph.set_outputs(found.into_iter().map(|v| Output { name: "g".into(), value: v.unwrap() }).collect());
    let values = reference::run(&graph, &[]).unwrap();
    values.iter().map(|t| t.as_f32().unwrap().to_vec()).collect()
}

/// A graph over one variable of these numbers, and the sum of what is made of it.
fn by_hand(values: &[f32], make: &dyn Fn(&mut Graph, ValueId) -> ValueId) -> Vec<f32> {
    use striate::ops::{Reduce, ReduceKind};
    let mut graph = Graph::new();
    let x = graph.variable("x", Tensor::f32([values.len()], values).unwrap());
    let y = make(&mut graph, x);
    let loss = graph.add("loss", Reduce { kind: ReduceKind::Sum, axes: vec![], keep_dims: false }, &[y]).unwrap();
    run(graph, loss, &[x]).remove(0)
}

#[test]
fn ties_and_kinks_are_keras() {
    use striate::ops::{Reduce, ReduceKind};
    let unary = |f: Unary| move |g: &mut Graph, x: ValueId| g.add("f", f, &[x]).unwrap();
    assert_eq!(by_hand(&[-1.0, 0.0, 2.0], &unary(Unary::Relu)), [0.0, 0.0, 1.0]);
    assert_eq!(by_hand(&[0.0, 3.0, 6.0], &unary(Unary::Relu6)), [0.0, 1.0, 0.0]);
    assert_eq!(by_hand(&[-1.0, 0.0, 1.0], &unary(Unary::LeakyRelu { alpha: 0.5 })), [0.5, 0.5, 1.0]);
    assert_eq!(by_hand(&[0.0, 1.0], &unary(Unary::Elu { alpha: 1.0 })), [1.0, 1.0]);
    assert_eq!(by_hand(&[-2.0, -1.0, 0.5, 1.0], &unary(Unary::Clip { min: -1.0, max: 0.5 })), [0.0, 1.0, 1.0, 0.0]);
    // Reduce-max shares; the first of two operands takes a tie; a product with zeros.
    let reduce =
        |kind| move |g: &mut Graph, x| g.add("r", Reduce { kind, axes: vec![0], keep_dims: true }, &[x]).unwrap();
    assert_eq!(by_hand(&[3.0, 1.0, 3.0, 3.0], &reduce(ReduceKind::Max)), [1.0 / 3.0, 0.0, 1.0 / 3.0, 1.0 / 3.0]);
    assert_eq!(by_hand(&[2.0, 0.0, 5.0], &reduce(ReduceKind::Prod)), [0.0, 10.0, 0.0]);
    assert_eq!(by_hand(&[0.0, 0.0, 5.0], &reduce(ReduceKind::Prod)), [0.0, 0.0, 0.0]);
    let mut graph = Graph::new();
    let [a, b] = [[1.0, 2.0], [1.0, 3.0]].map(|v| graph.variable("v", Tensor::f32([2], v).unwrap()));
    let y = graph.add("max", Binary::new(BinaryKind::Maximum), &[a, b]).unwrap();
    let loss = graph.add("sum", Reduce { kind: ReduceKind::Sum, axes: vec![], keep_dims: false }, &[y]).unwrap();
    assert_eq!(run(graph, loss, &[a, b]), [[1.0, 0.0], [0.0, 1.0]]);
}

#[test]
fn only_what_is_needed_is_computed() {
    let mut graph = Graph::new();
    let x = graph.input("x", DType::F32, [Some(1)]);
    let [w, unused] = ["w", "unused"].map(|n| graph.variable(n, Tensor::f32([1], vec![3.0]).unwrap()));
    let y = graph.add("y", Binary::new(BinaryKind::Mul), &[x, w]).unwrap();
    let z = graph.add("z", Unary::Tanh, &[y]).unwrap();
    let found = gradients(&mut graph, &[TensorType::f32([1])], z, &[w, unused]).unwrap();
    assert!(found[0].is_some() && found[1].is_none());
    // tanh, product; then tanh's gradient and the product by w. Nothing by x.
    let names: Vec<_> = graph.nodes().iter().map(|n| n.op.operator().name()).collect();
    assert_eq!(names, ["Mul", "Tanh", "UnaryBackward", "Mul"]);
    assert_eq!(graph.nodes()[2].name, "z/gradient");
    // From tanh's result, not from its operand.
    assert_eq!(graph.nodes()[2].inputs[0], z);
}

#[test]
fn what_has_no_gradient_is_named() {
    let mut graph = Graph::new();
    let w = graph.variable("w", Tensor::f32([1], vec![3.0]).unwrap());
    let y = graph.add("y", Unary::Tanh, &[w]).unwrap();
    let first = gradients(&mut graph, &[], y, &[w]).unwrap()[0].unwrap();
    let error = gradients(&mut graph, &[], first, &[w]).unwrap_err();
    assert_eq!(error.layer(), Some("y/gradient"), "{error}");
    let mut graph = Graph::new();
    let w = graph.variable("w", Tensor::f32([2], vec![3.0; 2]).unwrap());
    let count = graph.variable("count", Tensor::i32([1], vec![3]).unwrap());
    assert_eq!(gradients(&mut graph, &[], w, &[w]).unwrap_err().layer(), Some("w"), "two numbers are no loss");
    let one = graph.variable("one", Tensor::f32([1], vec![3.0]).unwrap());
    assert_eq!(gradients(&mut graph, &[], one, &[count]).unwrap_err().layer(), Some("count"));
    // A loss that is the variable itself.
    assert!(gradients(&mut graph, &[], one, &[one]).unwrap()[0].is_some());
    let Data::F32(_) = graph.variables()[0].initial.data() else { panic!() };
}
