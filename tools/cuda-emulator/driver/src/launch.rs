//! Runs a kernel: its blocks, and the threads of each block.

use std::sync::Arc;

use cuda_emulator_ptx::{POISON, Style};

use crate::fault::fault;
use crate::memory::{self, Range};
use crate::module::Loaded;

/// Launches with fewer threads than this run on the thread that asks for them.
const WORTH_SHARING: u64 = 1 << 15;
const WARP: usize = 32;
/// What shared memory holds that nobody wrote.
const UNWRITTEN: u128 = (POISON as u128) * 0x1_0000_0001_0000_0001_0000_0001;

/// The shape of a launch.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Grid {
    pub(crate) grid: [u32; 3],
    pub(crate) block: [u32; 3],
    /// Bytes of shared memory besides the kernel's own.
    pub(crate) shared: usize,
}

/// Mirrors `Launch` in the translator's `prelude.c`.
#[repr(C)]
struct Launch {
    grid: [u32; 3],
    block: [u32; 3],
    ctaid: [u32; 3],
    tid: [u32; 3],
    params: *mut u8,
    params_bytes: u64,
    shared: *mut u8,
    shared_bytes: u64,
    dynamic_shared: u64,
    tables: *const u64,
    sites: *mut Range,
    find: extern "C" fn(&mut Launch, u32, u32, u64, u64),
    refuse: extern "C" fn(&Launch, u32, u32, u64, u64) -> !,
    lanes: [u64; WARP],
    present: u32,
    voters: u32,
    votes: u32,
    kernel: *const Loaded,
}

/// The head of a phased thread's state; its registers follow.
#[repr(C)]
struct State {
    phase: u32,
    tid: [u32; 3],
    given: u64,
}

/// What a phased thread waits for: the values that its function returns, of which 0 says that
/// it is done.
const BLOCK_MEETS: u32 = 1;
const WARP_MEETS: u32 = 2;
const READY: u32 = 3;

/// Runs all blocks of `kernel` with the parameters' bytes.
///
/// # Safety
/// `params` are what the kernel takes: host code can give it nothing else that it would follow
/// unchecked, since all addresses are looked up.
pub(crate) unsafe fn run(kernel: &Arc<Loaded>, grid: Grid, params: &[u8]) {
    let blocks = grid.grid.iter().map(|&n| u64::from(n)).product::<u64>();
    let threads = blocks * grid.block.iter().map(|&n| u64::from(n)).product::<u64>();
    let alone = !kernel.kernel.independent || threads < WORTH_SHARING;
    let workers = if alone { 1 } else { processors().min(blocks) };
    // Blocks that share nothing give the same bits whoever runs them.
    let share = |worker| (worker * blocks / workers)..((worker + 1) * blocks / workers);
    std::thread::scope(|scope| {
        for worker in 1..workers {
            // SAFETY: the caller's promise.
            scope.spawn(move || unsafe { Worker::new(kernel, grid, params).run(share(worker)) });
        }
        // SAFETY: the caller's promise.
        unsafe { Worker::new(kernel, grid, params).run(share(0)) };
    });
}

fn processors() -> u64 {
    std::thread::available_parallelism().map_or(1, |count| count.get() as u64)
}

/// One host thread's part of a launch.
struct Worker {
    launch: Launch,
    kernel: Arc<Loaded>,
    /// Memory that `launch` points into, in units that are aligned as CUDA's vectors are.
    params: Vec<u128>,
    shared: Vec<u128>,
    sites: Vec<Range>,
    states: Vec<u128>,
    waits: Vec<u32>,
}

impl Worker {
    fn new(kernel: &Arc<Loaded>, grid: Grid, params: &[u8]) -> Self {
        let dynamic = kernel.kernel.shared.next_multiple_of(16);
        let shared_bytes =
            if grid.shared > 0 { dynamic + grid.shared } else { kernel.kernel.shared };
        let threads = grid.block.iter().product::<u32>() as usize;
        let launch = Launch {
            grid: grid.grid,
            block: grid.block,
            ctaid: [0; 3],
            tid: [0; 3],
            params: std::ptr::null_mut(),
            params_bytes: params.len() as u64,
            shared: std::ptr::null_mut(),
            shared_bytes: shared_bytes as u64,
            dynamic_shared: dynamic as u64,
            tables: kernel.image.tables.as_ptr(),
            sites: std::ptr::null_mut(),
            find,
            refuse,
            lanes: [0; WARP],
            present: 0,
            voters: 0,
            votes: 0,
            kernel: Arc::as_ptr(kernel),
        };
        let mut worker = Self {
            launch,
            kernel: Arc::clone(kernel),
            params: chunks(params),
            shared: vec![UNWRITTEN; shared_bytes.div_ceil(16).max(1)],
            sites: vec![Range { start: 0, bytes: 0 }; kernel.kernel.sites],
            states: vec![0; threads * kernel.state.div_ceil(16)],
            waits: vec![READY; if kernel.state > 0 { threads } else { 0 }],
        };
        worker.launch.params = worker.params.as_mut_ptr().cast();
        worker.launch.shared = worker.shared.as_mut_ptr().cast();
        worker.launch.sites = worker.sites.as_mut_ptr();
        worker
    }

    /// # Safety
    /// As for [`run`].
    unsafe fn run(&mut self, blocks: std::ops::Range<u64>) {
        let [x, y, _] = self.launch.grid.map(u64::from);
        for block in blocks {
            self.launch.ctaid = [block % x, block / x % y, block / (x * y)].map(|n| n as u32);
            self.shared.fill(UNWRITTEN);
            match self.kernel.kernel.style {
                Style::Block => {
                    // SAFETY: a kernel of this style has this type; `launch` points to memory
                    // of the sizes that it says.
                    unsafe {
                        let code: extern "C" fn(&mut Launch) =
                            std::mem::transmute(self.kernel.code);
                        code(&mut self.launch);
                    }
                }
                // SAFETY: the caller's promise.
                Style::Phased => unsafe { self.phases() },
            }
        }
    }

    /// Runs a block whose threads meet: each thread to its next meeting, again and again.
    ///
    /// # Safety
    /// As for [`run`].
    unsafe fn phases(&mut self) {
        self.start_threads();
        loop {
            for first in (0..self.waits.len()).step_by(WARP) {
                // SAFETY: the caller's promise.
                unsafe { self.warp(first..(first + WARP).min(self.waits.len())) };
            }
            (self.launch.voters, self.launch.votes) = (0, 0);
            for thread in 0..self.waits.len() {
                if self.waits[thread] == BLOCK_MEETS {
                    self.launch.voters += 1;
                    self.launch.votes += self.state(thread).given as u32;
                    self.waits[thread] = READY;
                }
            }
            if self.launch.voters == 0 {
                return;
            }
        }
    }

    fn start_threads(&mut self) {
        let [x, y, _] = self.launch.block.map(|n| n as usize);
        self.states.fill(u128::MAX);
        self.waits.fill(READY);
        for thread in 0..self.waits.len() {
            let tid = [thread % x, thread / x % y, thread / (x * y)].map(|n| n as u32);
            *self.state(thread) = State { phase: 0, tid, given: 0 };
        }
    }

    /// Runs a warp's threads until all of them wait for the block or are done.
    ///
    /// # Safety
    /// As for [`run`].
    unsafe fn warp(&mut self, threads: std::ops::Range<usize>) {
        // SAFETY: a kernel of this style has this type.
        let code: extern "C" fn(&mut Launch, *mut State) -> u32 =
            unsafe { std::mem::transmute(self.kernel.code) };
        loop {
            for thread in threads.clone() {
                if self.waits[thread] == READY {
                    let state: *mut State = self.state(thread);
                    self.waits[thread] = code(&mut self.launch, state);
                }
            }
            self.launch.present = 0;
            for thread in threads.clone() {
                if self.waits[thread] == WARP_MEETS {
                    let lane = thread % WARP;
                    self.launch.present |= 1 << lane;
                    self.launch.lanes[lane] = self.state(thread).given;
                    self.waits[thread] = READY;
                }
            }
            if self.launch.present == 0 {
                return;
            }
        }
    }

    fn state(&mut self, thread: usize) -> &mut State {
        let size = self.kernel.state.div_ceil(16);
        let state = self.states[thread * size..][..size].as_mut_ptr().cast::<State>();
        // SAFETY: the translation puts this head in front of the registers, the slice is as
        // long as it says, and any bits are a valid `State`.
        unsafe { &mut *state }
    }
}

fn chunks(bytes: &[u8]) -> Vec<u128> {
    let whole = bytes.chunks(16).map(|chunk| {
        let mut all = [0; 16];
        all[..chunk.len()].copy_from_slice(chunk);
        u128::from_ne_bytes(all)
    });
    whole.chain([0]).collect()
}

/// Fills a site with the allocation that holds an access, or ends the program.
extern "C" fn find(launch: &mut Launch, site: u32, line: u32, address: u64, bytes: u64) {
    match memory::read().find(address, bytes) {
        // SAFETY: the translation counted its sites, and `sites` has as many.
        Ok(range) => unsafe { *launch.sites.add(site as usize) = range },
        Err(error) => wrong(launch, line, &error.to_string()),
    }
}

extern "C" fn refuse(launch: &Launch, why: u32, line: u32, address: u64, bytes: u64) -> ! {
    let window = |space: &str| format!("{bytes} bytes at {address} of {space}");
    let what = match why {
        0 => window(&format!("{} bytes of shared memory", launch.shared_bytes)),
        1 => window("local memory, which ends before"),
        2 => window(&format!("{} bytes of parameters", launch.params_bytes)),
        3 => format!("{bytes} bytes at {address:#x}, which is not a multiple of {bytes}"),
        4 => "it traps".into(),
        5 => "a failed assertion".into(),
        _ => match address.checked_sub(launch.shared as u64) {
            Some(offset) if offset < launch.shared_bytes => {
                format!("{bytes} bytes at {offset} of shared memory that nobody wrote")
            }
            _ => memory::read().unwritten(address, bytes).to_string(),
        },
    };
    wrong(launch, line, &what)
}

fn wrong(launch: &Launch, line: u32, what: &str) -> ! {
    // SAFETY: `Worker` keeps the kernel alive while its code runs.
    let loaded = unsafe { &*launch.kernel };
    let (name, text) = (&loaded.kernel.name, loaded.image.line(line));
    let (block, thread) = (launch.ctaid, launch.tid);
    let thread = if loaded.state > 0 { String::new() } else { format!(", thread {thread:?}") };
    fault(&format!("kernel {name}, block {block:?}{thread}, line {line} `{text}`: {what}"))
}
