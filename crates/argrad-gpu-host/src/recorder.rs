//! A host that writes down its launches, for an interpreter of what is compiled for cards
//! (`crates/argrad-gpu/check/emulate.py`).

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::ptr;
use std::slice;
use std::sync::{Arc, Mutex, PoisonError};

use argrad_gpu::{Arguments, Entry, Error, Launch, Limits, Machine, Stream};

use crate::{Host, Memory};

/// The lengths of pieces of memory by their addresses.
type Pieces = Arc<Mutex<BTreeMap<u64, usize>>>;

/// A piece of memory that the recorder knows of as long as it lives.
pub struct Recorded {
    memory: Memory,
    address: u64,
    pieces: Pieces,
}

impl Drop for Recorded {
    fn drop(&mut self) {
        self.pieces.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.address);
    }
}

/// A host that writes each launch into a folder: `NUMBER-NAME.launch` with what it is given, and
/// beside it all memory before and after.
pub struct Recorder {
    host: Host,
    folder: PathBuf,
    name: String,
    pieces: Pieces,
    launches: Mutex<usize>,
}

impl Recorder {
    /// Writes into a folder that is there, from launch number `first` on; `name` is what the
    /// launches are called.
    pub fn new(host: Host, folder: PathBuf, name: &str, first: usize) -> Self {
        let (pieces, launches) = (Pieces::default(), Mutex::new(first));
        Self { host, folder, name: name.to_owned(), pieces, launches }
    }

    /// The number of the next launch.
    pub fn next(&self) -> usize {
        *self.launches.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, memory: Memory) -> Recorded {
        let (address, len) = (self.host.address(&memory), memory.numbers.len());
        let pieces = Arc::clone(&self.pieces);
        pieces.lock().unwrap_or_else(PoisonError::into_inner).insert(address, len);
        Recorded { memory, address, pieces }
    }

    /// All memory, piece after piece.
    fn content(&self) -> Vec<u8> {
        let pieces = self.pieces.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = |(&address, &len): (&u64, &usize)| {
            let from = ptr::with_exposed_provenance::<u8>(address as usize);
            // SAFETY: a piece that lives, and no launch is under way.
            unsafe { slice::from_raw_parts(from, len * size_of::<f64>()) }.to_vec()
        };
        pieces.iter().flat_map(bytes).collect()
    }

    fn header(&self, launch: Launch, arguments: &Arguments) -> String {
        let variant = launch.variant;
        let bytes_of = |given: *const u8, len: usize| {
            // SAFETY: the bytes of a struct of numbers without gaps, as the kernels take it.
            unsafe { slice::from_raw_parts(given, len) }
        };
        let (bytes, batch) = match arguments {
            Arguments::Solve(of) => {
                (bytes_of(ptr::from_ref(of).cast(), size_of_val(of)), Some(&of.batch))
            }
            Arguments::Adjoint(of) | Arguments::Tangent(of) => {
                (bytes_of(ptr::from_ref(of).cast(), size_of_val(of)), Some(&of.batch))
            }
            Arguments::Gradient(of) => (bytes_of(ptr::from_ref(of).cast(), size_of_val(of)), None),
            Arguments::Smooth(of) => {
                (bytes_of(ptr::from_ref(of).cast(), size_of_val(of)), Some(&of.batch))
            }
        };
        let scratch = batch.map_or(0, |batch| batch.memory.workspace);
        let report = batch.map_or(0, |batch| batch.report);
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let mut text = format!(
            "entry {}\nthreads {}\nblocks {}\nresident {}\ncurved {}\nsparse {}\nshared {}\n\
             scratch {scratch}\nreport {report}\narguments {hex}\n",
            arguments.entry().name(),
            variant.threads,
            variant.blocks,
            i32::from(variant.is_resident),
            i32::from(variant.is_curved),
            i32::from(variant.is_sparse),
            launch.shared_bytes,
        );
        let pieces = self.pieces.lock().unwrap_or_else(PoisonError::into_inner);
        for (address, len) in &*pieces {
            let _ = writeln!(text, "piece {address} {len}");
        }
        text
    }

    fn write(&self, stem: &str, extension: &str, content: &[u8]) -> Result<(), Error> {
        let path = self.folder.join(format!("{stem}.{extension}"));
        std::fs::write(&path, content).map_err(|error| Error::Device {
            doing: format!("writing {}", path.display()),
            found: error.to_string(),
            remedy: "give a folder that can be written",
        })
    }
}

impl Machine for Recorder {
    type Memory = Recorded;

    fn limits(&self) -> Result<Limits, Error> {
        self.host.limits()
    }

    fn blocks_at_once(&self, entry: Entry, launch: Launch) -> Result<usize, Error> {
        self.host.blocks_at_once(entry, launch)
    }

    fn zeros(&self, len: usize) -> Result<Recorded, Error> {
        Ok(self.keep(self.host.zeros(len.max(1))?))
    }

    fn upload(&self, numbers: &[f64]) -> Result<Recorded, Error> {
        let memory =
            if numbers.is_empty() { self.host.zeros(1) } else { self.host.upload(numbers) };
        Ok(self.keep(memory?))
    }

    fn upload_indices(&self, indices: &[i32]) -> Result<Recorded, Error> {
        let none = [0];
        let indices = if indices.is_empty() { &none } else { indices };
        Ok(self.keep(self.host.upload_indices(indices)?))
    }

    fn download(&self, memory: &Recorded, numbers: &mut [f64]) -> Result<(), Error> {
        self.host.download(&memory.memory, numbers)
    }

    fn address(&self, memory: &Recorded) -> u64 {
        memory.address
    }

    fn wait(&self) -> Result<(), Error> {
        Ok(())
    }

    unsafe fn read(&self, stream: Stream, address: u64, bytes: &mut [u8]) -> Result<(), Error> {
        // SAFETY: the caller's.
        unsafe { self.host.read(stream, address, bytes) }
    }

    unsafe fn clear(&self, stream: Stream, address: u64, len: usize) -> Result<(), Error> {
        // SAFETY: the caller's.
        unsafe { self.host.clear(stream, address, len) }
    }

    unsafe fn launch(
        &self,
        stream: Stream,
        launch: Launch,
        arguments: &Arguments,
    ) -> Result<(), Error> {
        let mut launches = self.launches.lock().unwrap_or_else(PoisonError::into_inner);
        let stem = format!("{:03}-{}-{}", *launches, self.name, arguments.entry().name());
        *launches += 1;
        self.write(&stem, "launch", self.header(launch, arguments).as_bytes())?;
        self.write(&stem, "before", &self.content())?;
        // SAFETY: the caller's.
        unsafe { self.host.launch(stream, launch, arguments)? };
        self.write(&stem, "after", &self.content())
    }
}
