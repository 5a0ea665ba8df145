//! Which backend is faster here? A small network asks both.

use super::now;
use crate::error::Result;
use crate::graph::Graph;
use crate::ops::Conv2d;
use crate::session::{Device, Session};
use crate::shape::Padding;
use crate::tensor::{DType, Tensor};

/// Two 3x3 convolutions of 64 channels at 56 x 56, 0.46 GFLOP: the middle of a residual network.
const SIZE: usize = 56;
const CHANNELS: usize = 64;

/// Stop asking after so long.
const BUDGET: f64 = 40.0;
/// Runs at most; the best counts.
const RUNS: usize = 5;

/// Milliseconds of the best run, the result read back, after one to warm up.
pub async fn milliseconds(device: Device) -> Result<f64> {
    let mut session = Session::new(network()?, device)?;
    let input = [Tensor::f32([1, SIZE, SIZE, CHANNELS], vec![0.5; SIZE * SIZE * CHANNELS])?];
    session.run(&input).await?;
    let (begin, mut best) = (now(), f64::INFINITY);
    for _ in 0..RUNS {
        let start = now();
        session.run(&input).await?;
        best = best.min(now() - start);
        if now() - begin > BUDGET {
            break;
        }
    }
    Ok(best)
}

fn network() -> Result<Graph> {
    let mut graph = Graph::new();
    let dims = [1, SIZE, SIZE, CHANNELS].map(Some);
    let mut x = graph.input("x", DType::F32, dims);
    for layer in 0..2 {
        let kernel = Tensor::f32([3, 3, CHANNELS, CHANNELS], vec![1e-3; 9 * CHANNELS * CHANNELS])?;
        let kernel = graph.constant("kernel", kernel);
        let conv = Conv2d { padding: Padding::Same, ..Conv2d::default() };
        x = graph.add(format!("conv{layer}"), conv, &[x, kernel])?;
    }
    graph.output("y", x);
    Ok(graph)
}
