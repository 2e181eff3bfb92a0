//! Bounds how much memory decoded images take, by letting few large ones through at a time.

use std::io::Cursor;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use crate::source::Content;

/// A thread that waited this long goes on regardless. It can't happen while decoding is sequential; should a decoder
/// use the thread pool itself, a waiting thread might hold the very task that the holders wait for.
const PATIENCE: Duration = Duration::from_secs(10);
/// A decoded 8-bit RGB image with some scratch space.
const BYTES_PER_PIXEL: u64 = 4;
/// For formats whose header isn't understood here.
const PIXEL_BYTES_PER_ENCODED_BYTE: u64 = 30;

/// Holds bytes, and lends them.
pub(super) struct Gate {
    capacity: u64,
    free: Mutex<u64>,
    returned: Condvar,
}

/// Gives its bytes back when dropped.
pub(super) struct Pass<'a> {
    gate: &'a Gate,
    bytes: u64,
}

impl Gate {
    pub fn new(capacity: u64) -> Self {
        Self { capacity, free: Mutex::new(capacity), returned: Condvar::new() }
    }

    /// Waits until `bytes` are free; for more than there are, until all are.
    pub fn enter(&self, bytes: u64) -> Pass<'_> {
        let bytes = bytes.min(self.capacity);
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut free, _) = self
            .returned
            .wait_timeout_while(free, PATIENCE, |free| *free < bytes)
            .unwrap_or_else(PoisonError::into_inner);
        let bytes = bytes.min(*free);
        *free -= bytes;
        Pass { gate: self, bytes }
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        *self.gate.free.lock().unwrap_or_else(PoisonError::into_inner) += self.bytes;
        self.gate.returned.notify_all();
    }
}

/// About how many bytes decoding will take.
pub(super) fn decoded_bytes(content: &Content) -> u64 {
    match content {
        Content::Pixels(image) => image.as_bytes().len() as u64,
        Content::Encoded(bytes) => image::ImageReader::new(Cursor::new(bytes))
            .with_guessed_format()
            .ok()
            .and_then(|reader| reader.into_dimensions().ok())
            .map_or(bytes.len() as u64 * PIXEL_BYTES_PER_ENCODED_BYTE, |(width, height)| {
                u64::from(width) * u64::from(height) * BYTES_PER_PIXEL
            }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

    #[test]
    fn no_more_goes_through_than_fits() {
        let (gate, inside, peak) = (Gate::new(100), AtomicU64::new(0), AtomicU64::new(0));
        std::thread::scope(|scope| {
            for bytes in [40, 40, 40, 70, 1000, 10, 40, 100] {
                let (gate, inside, peak) = (&gate, &inside, &peak);
                scope.spawn(move || {
                    for _ in 0..20 {
                        let pass = gate.enter(bytes);
                        peak.fetch_max(inside.fetch_add(pass.bytes, SeqCst) + pass.bytes, SeqCst);
                        std::thread::yield_now();
                        inside.fetch_sub(pass.bytes, SeqCst);
                    }
                });
            }
        });
        assert!(peak.load(SeqCst) <= 100);
        assert_eq!(*gate.free.lock().unwrap(), 100);
    }
}
