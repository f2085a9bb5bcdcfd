//! A structure made ready to solve: what solver and tapes share, with pools of their buffers.

use std::sync::{Arc, Mutex, MutexGuard};

use crate::lanes::{Buffer, Width, check_processor, lanes_and_groups};
use crate::program::{Error, Explanation, MemoryLimit, Settings, Structure, bytes};
use crate::system::analysis::Analysis;
use crate::system::memory::{state_len, work_len};
use crate::threads::for_each;

/// Where there are so many lanes for each sample of a batch, it is solved faster one sample after
/// the other, on one lane each: the numbers of idle lanes would fill the caches.
const FEW: usize = 4;

/// What solver and tapes share.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) analysis: Arc<Analysis>,
    pub(crate) settings: Settings,
    pub(crate) width: Width,
    /// Samples a group.
    pub(crate) lanes: usize,
    /// Groups that are approached together in single precision.
    team: usize,
    limit: MemoryLimit,
    states: Mutex<Vec<Buffer>>,
    /// Those of groups whose matrices the batch shares.
    shared_states: Mutex<Vec<Buffer>>,
    works: Mutex<Vec<Buffer>>,
}

impl Prepared {
    pub(crate) fn new(structure: Structure, settings: Settings) -> Result<Self, Error> {
        settings.check()?;
        check_processor()?;
        let analysis = Analysis::new(structure, &settings)?;
        let width = if analysis.kkt.takes_one_lane() {
            Width::One
        } else {
            Width::Vector(settings.instructions)
        };
        let prepared = Self::with_width(Arc::new(analysis), settings, width);
        let Self { analysis, limit, lanes, .. } = &prepared;
        let numbers = state_len(analysis, false, *lanes) + work_len(analysis, 0, *lanes);
        limit.check_program(bytes(numbers, size_of::<f64>()), || {
            let (order, entries) = (analysis.kkt.order(), analysis.kkt.values_len);
            format!(
                "{lanes} samples at once, a system of order {order} and {entries} entries each,"
            )
        })?;
        Ok(prepared)
    }

    /// The same for one sample at a time.
    pub(crate) fn one_at_a_time(&self) -> Self {
        Self::with_width(self.analysis.clone(), self.settings.clone(), Width::One)
    }

    fn with_width(analysis: Arc<Analysis>, settings: Settings, width: Width) -> Self {
        let (lanes, team) = lanes_and_groups(width);
        Self {
            analysis,
            limit: MemoryLimit::new(&settings),
            settings,
            width,
            lanes,
            team,
            states: Mutex::new(Vec::new()),
            shared_states: Mutex::new(Vec::new()),
            works: Mutex::new(Vec::new()),
        }
    }

    /// Whether so few samples take less time one at a time.
    pub(crate) fn are_few(&self, samples: usize) -> bool {
        FEW * samples <= self.lanes
    }

    /// What follows from the structure and the settings, for a reader.
    pub(crate) fn explain(&self) -> Explanation {
        let Analysis { structure, kkt, cones, sharing, .. } = &*self.analysis;
        let bytes = |numbers: usize| (numbers * size_of::<f64>()) as u64;
        Explanation {
            engine: kkt.engine(),
            lanes: self.lanes,
            variables: structure.variables(),
            rows: structure.rows(),
            eliminated_cones: cones
                .eliminated()
                .map(|place| (place.cone, structure.cones[place.cone].clone()))
                .collect(),
            sparse_cones: Vec::new(),
            decomposed_cones: Vec::new(),
            elimination: kkt.elimination(),
            matrix_entries: kkt.matrix_entries(),
            factor_entries: kkt.factor_entries(),
            shares_matrices: sharing.is_some(),
            bytes_a_sample: bytes(self.state_len(false) / self.lanes),
            bytes_a_thread: bytes(work_len(&self.analysis, 0, self.lanes)),
        }
    }

    /// Refuses a batch for which `what` takes more than the limit, or more than the system gives,
    /// at `each` bytes per sample.
    pub(crate) fn check_memory(&self, batch: usize, each: usize, what: &str) -> Result<(), Error> {
        self.limit
            .check_batch(bytes(batch, each), || format!("{what} of a batch of {batch} samples"))
    }

    /// Numbers in a group's state.
    fn state_len(&self, is_shared: bool) -> usize {
        state_len(&self.analysis, is_shared, self.lanes)
    }

    /// The pool of states.
    fn pool(&self, is_shared: bool) -> MutexGuard<'_, Vec<Buffer>> {
        let pool = if is_shared { &self.shared_states } else { &self.states };
        pool.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// A buffer for a group's state, from the pool where there is one; `is_shared` where the batch
    /// shares its matrices.
    ///
    /// # Errors
    /// [`Error::Memory`] when the system gives none.
    pub(crate) fn take_state(&self, is_shared: bool) -> Result<Buffer, Error> {
        let pooled = self.pool(is_shared).pop();
        pooled.map_or_else(|| Buffer::try_zeros(self.state_len(is_shared)), Ok)
    }

    /// The states of a batch, to keep.
    ///
    /// # Errors
    /// [`Error::Memory`] when they take more than the limit, or more than the system gives.
    pub(crate) fn take_states(&self, batch: usize, is_shared: bool) -> Result<Vec<Buffer>, Error> {
        let groups = batch.div_ceil(self.lanes);
        let state = self.state_len(is_shared);
        self.limit.check_batch(bytes(groups, state * size_of::<f64>()), || {
            format!("the tape of a batch of {batch} samples")
        })?;
        let mut states = Vec::with_capacity(groups);
        for _ in 0..groups {
            match self.take_state(is_shared) {
                Ok(state) => states.push(state),
                Err(error) => {
                    states.into_iter().for_each(|state| self.return_state(state));
                    return Err(error);
                }
            }
        }
        Ok(states)
    }

    pub(crate) fn return_state(&self, buffer: Buffer) {
        let is_shared = buffer.as_slice().len() == self.state_len(true);
        self.pool(is_shared).push(buffer);
    }

    /// Scratch of one thread with room for `more` registers than a [`Work`] takes, returned to the
    /// pool when dropped.
    ///
    /// [`Work`]: crate::system::memory::Work
    pub(crate) fn take_work(&self, more: usize) -> WorkGuard<'_> {
        let len = work_len(&self.analysis, more, self.lanes);
        let pooled = self.works.lock().unwrap_or_else(|e| e.into_inner()).pop();
        let large_enough = pooled.filter(|buffer| buffer.as_slice().len() >= len);
        let buffer = large_enough.unwrap_or_else(|| Buffer::zeros(len));
        WorkGuard { prepared: self, buffer: Some(buffer) }
    }

    /// Cuts `batch` samples into lane groups and works on them, on as many threads as that is
    /// worth: the work on a group reads the values of its programs about `passes` times. `task` is
    /// called for one group after the other and collects what belongs to it (of rows by
    /// [`Rows::next`]); then `work` is called on every task, with the scratch of a thread. Returns
    /// what it returned, group by group.
    pub(crate) fn for_groups<T: Send, O: Send>(
        &self,
        batch: usize,
        passes: usize,
        task: impl FnMut(Group) -> T,
        work: impl Fn(T, &mut [f64]) -> O + Sync,
    ) -> Vec<O> {
        self.for_groups_with(0, batch, passes, task, work)
    }

    /// [`Self::for_groups`], with room for `more` registers in the scratch.
    pub(crate) fn for_groups_with<T: Send, O: Send>(
        &self,
        more: usize,
        batch: usize,
        passes: usize,
        task: impl FnMut(Group) -> T,
        work: impl Fn(T, &mut [f64]) -> O + Sync,
    ) -> Vec<O> {
        self.for_pieces(self.lanes, more, batch, passes, task, work)
    }

    /// [`Self::for_groups`], with as many groups at a time as are approached together, where there
    /// are enough of them for all threads.
    pub(crate) fn for_teams<T: Send, O: Send>(
        &self,
        batch: usize,
        passes: usize,
        is_shared: bool,
        task: impl FnMut(Group) -> T,
        work: impl Fn(T, &mut [f64]) -> O + Sync,
    ) -> Vec<O> {
        let is_approached = self.analysis.approach.is_some() && !is_shared;
        let groups = batch.div_ceil(self.lanes);
        // The pool is asked last: to ask wakes it, and one group has no use for it.
        let is_team = is_approached && groups > 1 && groups > rayon::current_num_threads();
        let team = if is_team { self.team } else { 1 };
        self.for_pieces(team * self.lanes, 0, batch, passes, task, work)
    }

    /// [`Self::for_groups_with`], with `samples` at a time.
    fn for_pieces<T: Send, O: Send>(
        &self,
        samples: usize,
        more: usize,
        batch: usize,
        passes: usize,
        mut task: impl FnMut(Group) -> T,
        work: impl Fn(T, &mut [f64]) -> O + Sync,
    ) -> Vec<O> {
        let count = batch.div_ceil(samples);
        let mut outputs: Vec<Option<O>> = Vec::with_capacity(count);
        outputs.resize_with(count, || None);
        let group = |index: usize| {
            let first = index * samples;
            Group { index, first, count: samples.min(batch - first) }
        };
        let tasks =
            outputs.iter_mut().enumerate().map(|(index, out)| (task(group(index)), out)).collect();
        for_each(
            tasks,
            passes * self.analysis.kkt.values_len * samples.div_ceil(self.lanes),
            || self.take_work(more),
            |scratch, (task, out)| *out = Some(work(task, scratch.as_mut_slice())),
        );
        outputs.into_iter().flatten().collect()
    }
}

/// The samples `first..first + count` of a batch, which are solved together.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Group {
    pub(crate) index: usize,
    pub(crate) first: usize,
    pub(crate) count: usize,
}

impl Group {
    /// Its samples, `lanes` at a time.
    pub(crate) fn parts(self, lanes: usize) -> impl Iterator<Item = Self> {
        let Self { first, count, .. } = self;
        (0..count.div_ceil(lanes)).map(move |index| {
            let before = index * lanes;
            Self { index, first: first + before, count: lanes.min(count - before) }
        })
    }
}

/// As many numbers for each sample of a batch, handed out group by group.
pub(crate) struct Rows<'a, T> {
    rest: &'a mut [T],
    each: usize,
}

impl<'a, T> Rows<'a, T> {
    /// `each` numbers for each sample.
    pub(crate) fn new(numbers: &'a mut [T], each: usize) -> Self {
        Self { rest: numbers, each }
    }

    /// The rows of `group`, which comes next.
    pub(crate) fn next(&mut self, group: Group) -> &'a mut [T] {
        let (head, tail) = std::mem::take(&mut self.rest).split_at_mut(group.count * self.each);
        self.rest = tail;
        head
    }
}

/// Scratch that returns to the pool.
pub(crate) struct WorkGuard<'a> {
    prepared: &'a Prepared,
    buffer: Option<Buffer>,
}

impl WorkGuard<'_> {
    pub(crate) fn as_mut_slice(&mut self) -> &mut [f64] {
        self.buffer.as_mut().map_or(&mut [], Buffer::as_mut_slice)
    }
}

impl Drop for WorkGuard<'_> {
    fn drop(&mut self) {
        if let Some(buffer) = self.buffer.take() {
            self.prepared.works.lock().unwrap_or_else(|e| e.into_inner()).push(buffer);
        }
    }
}
