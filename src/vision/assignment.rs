//! The cheapest assignment of rows to columns (Kuhn's Hungarian method, with potentials and shortest paths: cubic time).

/// The column of every row so that the sum of `costs` (`rows x columns`, row by row) is the least; `None` for rows left over
/// where there are more of them than columns. Costs that are no finite numbers count as very dear.
pub fn assign(costs: &[f64], rows: usize, columns: usize) -> Vec<Option<usize>> {
    let mut assigned = vec![None; rows];
    if costs.len() != rows * columns || costs.is_empty() {
        return assigned;
    }
    let dear = 1.0 + costs.iter().filter(|c| c.is_finite()).fold(0.0f64, |m, c| m.max(c.abs())) * 1e3;
    // The method wants no more rows than columns.
    let turned = rows > columns;
    let (n, m) = if turned { (columns, rows) } else { (rows, columns) };
    let cost = |i: usize, j: usize| {
        let cost = if turned { costs[j * columns + i] } else { costs[i * columns + j] };
        if cost.is_finite() { cost } else { dear }
    };
    // Rows and columns count from 1; column 0 holds the row that looks for a place.
    let (mut of_row, mut of_column) = (vec![0.0; n + 1], vec![0.0; m + 1]);
    let (mut taken, mut before) = (vec![0; m + 1], vec![0; m + 1]);
    for row in 1..=n {
        taken[0] = row;
        let (mut distance, mut visited) = (vec![f64::INFINITY; m + 1], vec![false; m + 1]);
        let mut column = 0;
        loop {
            visited[column] = true;
            let own = taken[column];
            let mut next = (f64::INFINITY, 0);
            for j in (1..=m).filter(|&j| !visited[j]) {
                let reduced = cost(own - 1, j - 1) - of_row[own] - of_column[j];
                if reduced < distance[j] {
                    (distance[j], before[j]) = (reduced, column);
                }
                if distance[j] < next.0 {
                    next = (distance[j], j);
                }
            }
            for j in 0..=m {
                if visited[j] {
                    of_row[taken[j]] += next.0;
                    of_column[j] -= next.0;
                } else {
                    distance[j] -= next.0;
                }
            }
            column = next.1;
            if taken[column] == 0 {
                break;
            }
        }
        // Everybody on the path moves up.
        while column != 0 {
            taken[column] = taken[before[column]];
            column = before[column];
        }
    }
    for (j, &i) in taken.iter().enumerate().skip(1).filter(|(_, i)| **i > 0) {
        let (row, column) = if turned { (j - 1, i - 1) } else { (i - 1, j - 1) };
        assigned[row] = Some(column);
    }
    assigned
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn greed_is_not_best() {
        // 1 + 9 against 2 + 3.
        assert_eq!(assign(&[1.0, 2.0, 3.0, 9.0], 2, 2), [Some(1), Some(0)]);
        // Of the six ways: 15 + 25 + 30.
        let costs = [40.0, 60.0, 15.0, 25.0, 30.0, 45.0, 55.0, 30.0, 25.0];
        let found = assign(&costs, 3, 3);
        let sum: f64 = found.iter().enumerate().map(|(i, j)| costs[i * 3 + j.unwrap()]).sum();
        assert_eq!((found, sum), (vec![Some(2), Some(0), Some(1)], 70.0));
    }

    #[test]
    fn every_small_matrix_against_all_permutations() {
        let mut state = 1u32;
        for round in 0..200 {
            let (rows, columns) = (1 + round % 4, 1 + round / 4 % 5);
            let mut draw = || {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 24) as f64 - 128.0
            };
            let costs: Vec<f64> = (0..rows * columns).map(|_| draw()).collect();
            let found = assign(&costs, rows, columns);
            let sum: f64 = found.iter().enumerate().filter_map(|(i, j)| j.map(|j| costs[i * columns + j])).sum();
            let mut used: Vec<usize> = found.iter().copied().flatten().collect();
            assert_eq!(used.len(), rows.min(columns));
            used.sort_unstable();
            used.dedup();
            assert_eq!(used.len(), rows.min(columns), "a column is taken twice");
            assert!((sum - least(&costs, rows, columns, 0, &mut vec![false; columns], rows.min(columns))).abs() < 1e-9);
        }
    }

    /// The least sum of `left` more assignments from `row` on, by trying everything.
    fn least(costs: &[f64], rows: usize, columns: usize, row: usize, used: &mut Vec<bool>, left: usize) -> f64 {
        if left == 0 {
            return 0.0;
        }
        let mut best = f64::INFINITY;
        if rows - row > left {
            best = least(costs, rows, columns, row + 1, used, left);
        }
        for j in 0..columns {
            if !used[j] {
                used[j] = true;
                best = best.min(costs[row * columns + j] + least(costs, rows, columns, row + 1, used, left - 1));
                used[j] = false;
            }
        }
        best
    }

    #[test]
    fn nothing_and_nonsense() {
        assert_eq!(assign(&[], 2, 0), [None, None]);
        assert_eq!(assign(&[f64::NAN, 1.0], 1, 2), [Some(1)]);
        assert_eq!(assign(&[f64::INFINITY], 1, 1), [Some(0)]);
    }
}
