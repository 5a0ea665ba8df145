//! Work-sharing over threads (feature `threads`); a plain loop otherwise.
//!
//! A network is some hundred short loops, and waking a thread pool for each costs about 25 us in a browser. So the
//! threads stand by: between loops they spin for a moment, and only then sleep. A loop is published in a few atomics;
//! whoever is awake takes tasks, the caller included, so nobody waits for a thread that sleeps. (Rayon's pool, which
//! did this before, made the binary 30 KB larger and was used for nothing but starting threads.)
//!
//! Natively there are as many threads as cores; in a browser they are workers, started by `js::pool`.

#[cfg(feature = "threads")]
mod team;

#[cfg(all(feature = "threads", target_arch = "wasm32"))]
pub(crate) use team::{recruit, stand_by};

/// Calls `body` for every task number below `tasks`, on all threads. Returns when all are done.
///
/// Tasks must write to disjoint places; which thread runs which is left open, so a result must not depend on it.
pub fn parallel_for(tasks: usize, body: impl Fn(usize) + Sync) {
    #[cfg(feature = "threads")]
    if tasks > 1 && team::run(tasks, &body) {
        return;
    }
    (0..tasks).for_each(body);
}

/// Threads that share the tasks of [`parallel_for`].
pub fn threads() -> usize {
    #[cfg(feature = "threads")]
    return 1 + team::count();
    #[cfg(not(feature = "threads"))]
    1
}

/// A mutable slice whose disjoint parts are written by different tasks.
pub(crate) struct Shared<'a, T> {
    start: *mut T,
    len: usize,
    slice: std::marker::PhantomData<&'a mut [T]>,
}

impl<T> Clone for Shared<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for Shared<'_, T> {}

// SAFETY: the only ways to the elements are `get` and `pointer`, whose callers promise not to overlap.
unsafe impl<T: Send> Sync for Shared<'_, T> {}
// SAFETY: as above.
unsafe impl<T: Send> Send for Shared<'_, T> {}

impl<'a, T> Shared<'a, T> {
    /// Takes the slice for the time of a parallel loop.
    pub fn new(slice: &'a mut [T]) -> Self {
        Shared { start: slice.as_mut_ptr(), len: slice.len(), slice: std::marker::PhantomData }
    }

    /// The elements `start..start + len`.
    ///
    /// # Safety
    /// No two parts that are alive at once may overlap.
    #[allow(clippy::mut_from_ref)]
    pub unsafe fn get(&self, start: usize, len: usize) -> &'a mut [T] {
        assert!(start + len <= self.len);
        // SAFETY: in bounds as just checked; disjoint by the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(start), len) }
    }

    /// The first element, for kernels that address it themselves, and the length.
    pub fn pointer(&self) -> (*mut T, usize) {
        (self.start, self.len)
    }
}

/// Splits `0..len` into `parts` ranges that differ by one at most; range number `i`.
pub(crate) fn share(len: usize, parts: usize, i: usize) -> std::ops::Range<usize> {
    // `len * i / parts` would not fit into 32 bits: a picture has a million elements, a loop thousands of tasks.
    let (each, more) = (len / parts, len % parts);
    let start = |i: usize| i * each + i.min(more);
    start(i)..start(i + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn every_task_runs_once_in_every_one_of_many_loops() {
        // From several threads at once, and nested: only one loop at a time gets the team, the others run alone.
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    for tasks in 0..2000 {
                        let tasks = tasks % 17;
                        let counts: Vec<_> = (0..tasks).map(|_| AtomicUsize::new(0)).collect();
                        parallel_for(tasks, |i| {
                            parallel_for(3, |_| {
                                counts[i].fetch_add(1, Ordering::Relaxed);
                            })
                        });
                        assert!(counts.iter().all(|c| c.load(Ordering::Relaxed) == 3));
                    }
                });
            }
        });
    }

    #[test]
    fn a_panic_in_a_task_reaches_the_caller_and_the_team_goes_on() {
        let result = std::panic::catch_unwind(|| parallel_for(64, |i| assert!(i != 40, "task 40")));
        assert!(result.is_err());
        let count = AtomicUsize::new(0);
        parallel_for(64, |_| {
            count.fetch_add(1, Ordering::Relaxed);
        });
        assert_eq!(count.into_inner(), 64);
    }

    #[test]
    fn shares_cover_everything_once() {
        for (len, parts) in [(0, 3), (7, 3), (3, 7), (12, 4)] {
            let all: Vec<_> = (0..parts).flat_map(|i| share(len, parts, i)).collect();
            assert_eq!(all, (0..len).collect::<Vec<_>>());
        }
        assert_eq!(share(usize::MAX, 7, 6).end, usize::MAX);
    }
}
