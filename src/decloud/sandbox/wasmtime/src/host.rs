//! What the C++ side does for a run: its input, its output, its patience.

use std::ffi::{c_int, c_void};
use std::io;
use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd};
use tokio::io::unix::AsyncFd;
use tokio::io::Interest;

#[repr(C)]
pub struct Callbacks {
    data: *mut c_void,
    check: unsafe extern "C" fn(*mut c_void) -> bool,
    read: unsafe extern "C" fn(*mut c_void, *mut u8, usize) -> isize,
    input_descriptor: unsafe extern "C" fn(*mut c_void) -> c_int,
    offer: unsafe extern "C" fn(*mut c_void, *const u8, usize) -> isize,
    push: unsafe extern "C" fn(*mut c_void) -> c_int,
    output_descriptor: unsafe extern "C" fn(*mut c_void) -> c_int,
    write_error: unsafe extern "C" fn(*mut c_void, *const u8, usize),
    connect: Option<unsafe extern "C" fn(*mut c_void) -> c_int>,
}

/// The run must end, for a reason that the C++ side knows.
#[derive(Debug)]
pub struct Stopped;

/// What a read gave.
pub enum Input {
    Data(usize),
    End,
    WouldBlock,
}

/// The callbacks of one run. All copies are gone when the run has ended: they live in its store and
/// in its futures, which `serve` drops before it returns.
#[derive(Clone, Copy)]
pub struct Host(*const Callbacks);

// SAFETY: a run and all that it has stay on the thread that called `decloud_http_serve`; the traits
// are asked for by Wasmtime's own bounds.
unsafe impl Send for Host {}
unsafe impl Sync for Host {}

impl Host {
    /// # Safety
    /// `callbacks` is valid, with what it points to, as long as any copy of the result.
    pub unsafe fn new(callbacks: *const Callbacks) -> Host {
        Host(callbacks)
    }

    fn callbacks(&self) -> &Callbacks {
        // SAFETY: as `new` was promised.
        unsafe { &*self.0 }
    }

    pub fn check(&self) -> bool {
        let callbacks = self.callbacks();
        unsafe { (callbacks.check)(callbacks.data) }
    }

    pub fn read(&self, target: &mut [u8]) -> Result<Input, Stopped> {
        let callbacks = self.callbacks();
        match unsafe { (callbacks.read)(callbacks.data, target.as_mut_ptr(), target.len()) } {
            0 => Ok(Input::End),
            -1 => Ok(Input::WouldBlock),
            count if count > 0 => Ok(Input::Data(count as usize)),
            _ => Err(Stopped),
        }
    }

    pub fn write_error(&self, data: &[u8]) {
        let callbacks = self.callbacks();
        unsafe { (callbacks.write_error)(callbacks.data, data.as_ptr(), data.len()) }
    }

    pub fn has_way_out(&self) -> bool {
        self.callbacks().connect.is_some()
    }

    /// A new connection to the proxy; it does not block.
    pub fn connect(&self) -> io::Result<OwnedFd> {
        let callbacks = self.callbacks();
        let connect = callbacks.connect.ok_or(io::ErrorKind::Unsupported)?;
        match unsafe { connect(callbacks.data) } {
            descriptor if descriptor >= 0 => {
                // SAFETY: it was made for us.
                Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
            }
            _ => Err(io::Error::other("there are too many connections")),
        }
    }

    /// Hands all of `data` over, waiting while the other side is full.
    pub async fn write(&self, mut data: &[u8]) -> Result<(), Stopped> {
        loop {
            let callbacks = self.callbacks();
            let taken = unsafe { (callbacks.offer)(callbacks.data, data.as_ptr(), data.len()) };
            let taken = usize::try_from(taken).map_err(|_| Stopped)?;
            data = &data[taken..];
            if data.is_empty() {
                return Ok(());
            }
            self.push().await?;
        }
    }

    /// Sends everything that was handed over on its way.
    pub async fn push(&self) -> Result<(), Stopped> {
        loop {
            let callbacks = self.callbacks();
            match unsafe { (callbacks.push)(callbacks.data) } {
                0 => return Ok(()),
                1 => {
                    let descriptor = unsafe { (callbacks.output_descriptor)(callbacks.data) };
                    let output = watch(descriptor, Interest::WRITABLE).map_err(|_| Stopped)?;
                    output.writable().await.map_err(|_| Stopped)?.retain_ready();
                }
                _ => return Err(Stopped),
            }
        }
    }

    /// The input, to be waited for.
    pub fn input(&self) -> io::Result<AsyncFd<BorrowedFd<'static>>> {
        let callbacks = self.callbacks();
        let descriptor = unsafe { (callbacks.input_descriptor)(callbacks.data) };
        watch(descriptor, Interest::READABLE)
    }
}

fn watch(descriptor: c_int, interest: Interest) -> io::Result<AsyncFd<BorrowedFd<'static>>> {
    // SAFETY: it is open as long as the run, and so longer than what is made here.
    unsafe {
        let descriptor = BorrowedFd::borrow_raw(descriptor);
        AsyncFd::register_with_interest(descriptor, interest)
    }
    .map_err(io::Error::from)
}
