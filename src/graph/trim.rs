//! Results whose length is known only after the run.

use super::{Graph, Source};
use crate::error::Result;
use crate::ops::Op;
use crate::tensor::{Data, Tensor};

impl Graph {
    /// Output `i` of a run without the rows that suppression had room for and did not need.
    ///
    /// [`NonMaxSuppression`](crate::ops::NonMaxSuppression) ends its table with rows of -1. Where the table, or a column of it,
    /// is an output of the graph, it ends with the last box; any other output is returned as it is.
    pub fn trimmed(&self, i: usize, tensor: Tensor) -> Result<Tensor> {
        if !self.is_table(i, tensor.shape().rank()) {
            return Ok(tensor);
        }
        let (mut dims, data) = (tensor.shape().to_vec(), tensor.into_data());
        let (Data::I32(mut rows), Some((length, row))) = (data, dims.split_first_mut()) else {
            return Err(crate::Error::invalid("a table of boxes that is none"));
        };
        let size = row.iter().product::<usize>().max(1);
        let used = rows.chunks_exact(size).take_while(|row| row[0] >= 0).count();
        rows.truncate(used * size);
        *length = used;
        Tensor::i32(dims, rows)
    }

    /// Whether an output is the table of a suppression, or a column of it.
    fn is_table(&self, i: usize, rank: usize) -> bool {
        let Some(mut value) = self.outputs.get(i).map(|o| o.value) else { return false };
        loop {
            let Source::Node { node, output } = self.values[value.index()].source else { return false };
            let node = &self.nodes[node.index()];
            value = match &node.op {
                Op::NonMaxSuppression(_) => return output == 0,
                Op::Slice(op) if op.axes.first().is_some_and(|axis| *axis == crate::ops::SliceAxis::ALL) => {
                    node.inputs[0]
                }
                Op::Reshape(_) if rank == 1 => node.inputs[0],
                _ => return false,
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::graph::Graph;
    use crate::ops::{NonMaxSuppression, Reshape, Slice, SliceAxis};
    use crate::reference;
    use crate::tensor::{DType, Tensor};

    #[test]
    fn tables_end_with_the_last_box() {
        let mut graph = Graph::new();
        let boxes = graph.input("boxes", DType::F32, vec![Some(1), Some(3), Some(4)]);
        let scores = graph.input("scores", DType::F32, vec![Some(1), Some(1), Some(3)]);
        let op = NonMaxSuppression {
            max_output: 9,
            iou_threshold: 0.5,
            score_threshold: 0.3,
            soft_sigma: 0.0,
            centred: false,
        };
        let found = graph.push("nms", op, &[boxes, scores]).unwrap();
        let axes = vec![SliceAxis::ALL, SliceAxis::range(2, 3)];
        let column = graph.add("column", Slice { axes }, &[found[0]]).unwrap();
        let column = graph.add("list", Reshape::to(&[3]), &[column]).unwrap();
        let outputs = [("table", found[0]), ("list", column), ("scores", found[1])];
        outputs.into_iter().for_each(|(name, value)| graph.output(name, value));
        let boxes = Tensor::f32([1, 3, 4], [[0.0, 0.0, 1.0, 1.0], [0.0, 0.0, 1.0, 0.9], [5.0, 5.0, 6.0, 6.0]].concat());
        let scores = Tensor::f32([1, 1, 3], vec![0.9, 0.8, 0.2]);
        let results = reference::run(&graph, &[boxes.unwrap(), scores.unwrap()]).unwrap();
        let [table, list, scores] = [0, 1, 2].map(|i| graph.trimmed(i, results[i].clone()).unwrap());
        assert_eq!(results[0].shape().as_slice(), [3, 3]);
        assert_eq!(table, Tensor::i32([1, 3], vec![0, 0, 0]).unwrap());
        assert_eq!(list, Tensor::i32([1], vec![0]).unwrap());
        assert_eq!(scores, results[2]);
    }
}
