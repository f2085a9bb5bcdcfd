//! A structure made ready to solve: what solver and tapes share, with pools of their buffers.

use std::sync::Mutex;

use crate::lanes::{Buffer, Width, lane_count};
use crate::program::{Error, Settings, Structure};
use crate::system::analysis::Analysis;
use crate::system::memory::{state_buffer, work_buffer};

/// What solver and tapes share.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) analysis: Analysis,
    pub(crate) settings: Settings,
    pub(crate) width: Width,
    /// Instances a group.
    pub(crate) lanes: usize,
    states: Mutex<Vec<Buffer>>,
    works: Mutex<Vec<Buffer>>,
}

impl Prepared {
    pub(crate) fn new(structure: Structure, settings: Settings) -> Result<Self, Error> {
        settings.check()?;
        let analysis = Analysis::new(structure, settings.engine)?;
        let width = if analysis.kkt.takes_one_lane() {
            Width::One
        } else {
            Width::Vector(settings.instructions)
        };
        Ok(Self {
            analysis,
            settings,
            width,
            lanes: lane_count(width),
            states: Mutex::new(Vec::new()),
            works: Mutex::new(Vec::new()),
        })
    }

    /// A buffer for a group's state, from the pool where there is one.
    pub(crate) fn take_state(&self) -> Buffer {
        let pooled = self.states.lock().unwrap_or_else(|e| e.into_inner()).pop();
        pooled.unwrap_or_else(|| state_buffer(&self.analysis, self.lanes))
    }

    pub(crate) fn return_state(&self, buffer: Buffer) {
        self.states.lock().unwrap_or_else(|e| e.into_inner()).push(buffer);
    }

    /// Scratch of one thread, returned to the pool when dropped.
    pub(crate) fn take_work(&self) -> WorkGuard<'_> {
        let pooled = self.works.lock().unwrap_or_else(|e| e.into_inner()).pop();
        let buffer = pooled.unwrap_or_else(|| work_buffer(&self.analysis, self.lanes));
        WorkGuard { prepared: self, buffer: Some(buffer) }
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
