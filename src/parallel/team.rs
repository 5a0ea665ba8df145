//! The threads that stand by, and the loop they share.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Ordering};
use std::thread::{self, Thread};

/// Looks for work before a member goes to sleep: about 0.1 ms, longer than the serial layers between two loops.
const SPINS: usize = 40_000;

/// Low half of a ticket when no task can be taken.
const CLOSED: u64 = u32::MAX as u64;

/// One loop at a time.
static TEAM: Team = Team {
    busy: AtomicBool::new(false),
    ticket: AtomicU64::new(0),
    tasks: AtomicUsize::new(0),
    body: AtomicPtr::new(std::ptr::null_mut()),
    call: AtomicPtr::new(std::ptr::null_mut()),
    finished: AtomicUsize::new(0),
    panicked: AtomicBool::new(false),
};

struct Team {
    /// A loop is running.
    busy: AtomicBool,
    /// Number of the loop (high half) and its next task (low half): a task is taken by counting up, which fails once
    /// the loop is another one.
    ticket: AtomicU64,
    tasks: AtomicUsize,
    /// The loop's closure, and the `fn(closure, task)` that calls it.
    body: AtomicPtr<()>,
    call: AtomicPtr<()>,
    finished: AtomicUsize,
    panicked: AtomicBool,
}

/// A thread that stays with the team.
struct Member {
    asleep: AtomicBool,
    thread: OnceLock<Thread>,
}

/// Most threads beside the caller's.
const MOST: usize = 63;

static MEMBERS: [Member; MOST] = [const { Member { asleep: AtomicBool::new(false), thread: OnceLock::new() } }; MOST];

/// How many of [`MEMBERS`] there are.
static RECRUITED: AtomicUsize = AtomicUsize::new(0);

/// The threads that share loops with the caller.
fn members() -> &'static [Member] {
    #[cfg(not(target_arch = "wasm32"))]
    {
        static STARTED: std::sync::Once = std::sync::Once::new();
        STARTED.call_once(|| {
            let count = thread::available_parallelism().map_or(0, |n| (n.get() - 1).min(MOST));
            // A thread that cannot be had is one that never takes a task.
            (0..count).for_each(|i| drop(thread::Builder::new().spawn(move || stand_by(i))));
            recruit(count);
        });
    }
    &MEMBERS[..RECRUITED.load(Ordering::Acquire)]
}

/// Threads beside the caller's.
pub fn count() -> usize {
    members().len()
}

/// Sets how many threads stand by; each of them calls [`stand_by`] with its number, sooner or later. At most 63.
pub fn recruit(count: usize) {
    RECRUITED.store(count.min(MOST), Ordering::Release);
}

/// Makes the calling thread member number `i` for good.
pub fn stand_by(i: usize) {
    if let Some(member) = MEMBERS.get(i) {
        member.stay();
    }
}

/// Runs a loop on the team; `false`, with nothing done, if it has no members or is busy.
pub fn run<F: Fn(usize) + Sync>(tasks: usize, body: &F) -> bool {
    unsafe fn call<F: Fn(usize)>(body: *const (), task: usize) {
        // SAFETY: `body` is the `F` that this function was published with, and its loop is not over.
        unsafe { (*body.cast::<F>())(task) }
    }
    let members = members();
    if members.is_empty() || TEAM.busy.swap(true, Ordering::Acquire) {
        return false;
    }
    // Closed first: whoever sees any of the new loop's values can no longer take a task by the old ticket.
    let number = TEAM.ticket.load(Ordering::Relaxed) >> 32;
    TEAM.ticket.store(number << 32 | CLOSED, Ordering::Relaxed);
    TEAM.tasks.store(tasks, Ordering::Release);
    TEAM.body.store(std::ptr::from_ref(body).cast_mut().cast(), Ordering::Release);
    TEAM.call.store(call::<F> as unsafe fn(*const (), usize) as *mut (), Ordering::Release);
    TEAM.finished.store(0, Ordering::Relaxed);
    let next = number.wrapping_add(1) << 32;
    // Sequentially consistent, as is falling asleep: either the member sees the loop or the loop sees it sleep.
    TEAM.ticket.store(next, Ordering::SeqCst);
    for member in members {
        if member.asleep.load(Ordering::SeqCst)
            && let Some(thread) = member.thread.get()
        {
            thread.unpark();
        }
    }
    while TEAM.take() {}
    while TEAM.finished.load(Ordering::Acquire) < tasks {
        std::hint::spin_loop();
    }
    let panicked = TEAM.panicked.swap(false, Ordering::Relaxed);
    TEAM.busy.store(false, Ordering::Release);
    assert!(!panicked, "a task of a parallel loop panicked");
    true
}

impl Team {
    /// Takes and runs one task; `false` if none is left.
    fn take(&self) -> bool {
        let ticket = self.ticket.load(Ordering::Acquire);
        let task = ticket as u32 as usize;
        let (tasks, body, call) =
            (self.tasks.load(Ordering::Acquire), self.body.load(Ordering::Acquire), self.call.load(Ordering::Acquire));
        if task >= tasks || call.is_null() {
            return false;
        }
        if self.ticket.compare_exchange_weak(ticket, ticket + 1, Ordering::AcqRel, Ordering::Relaxed).is_err() {
            return true;
        }
        // SAFETY: the ticket still named this loop, so what was read before is the loop's; and the loop cannot end,
        // nor its closure go away, before this task is counted as finished.
        let outcome = catch_unwind(AssertUnwindSafe(|| unsafe {
            let call = std::mem::transmute::<*mut (), unsafe fn(*const (), usize)>(call);
            call(body, task);
        }));
        if outcome.is_err() {
            self.panicked.store(true, Ordering::Relaxed);
        }
        self.finished.fetch_add(1, Ordering::Release);
        true
    }

    /// Whether the loop of this ticket has a task left. (A stale answer only costs a try.)
    fn has_work(&self) -> bool {
        (self.ticket.load(Ordering::SeqCst) as u32 as usize) < self.tasks.load(Ordering::Relaxed)
    }
}

impl Member {
    fn stay(&'static self) {
        self.thread.get_or_init(thread::current);
        loop {
            let mut idle = 0;
            while idle < SPINS {
                if TEAM.has_work() {
                    while TEAM.take() {}
                    idle = 0;
                } else {
                    idle += 1;
                    std::hint::spin_loop();
                }
            }
            self.asleep.store(true, Ordering::SeqCst);
            while !TEAM.has_work() {
                thread::park();
            }
            self.asleep.store(false, Ordering::Relaxed);
        }
    }
}
