//! How keys, rows and ids become bytes.

use std::cell::RefCell;

use serde::Serialize;
use serde::de::DeserializeOwned;
use thalweg_core::exactly_once::Run;

/// A key or row is rarely longer; a buffer that grew beyond it is not kept.
const KEPT_BYTES: usize = 64 << 10;

thread_local! {
    /// Buffers to be used again.
    static SPARE: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// Reads a whole value, as rows and ids are written; `None`: it is none of that type.
#[must_use]
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    let (value, rest) = postcard::take_from_bytes(bytes).ok()?;
    rest.is_empty().then_some(value)
}

/// Shows `use_it` the bytes of `prefix` and `value`. A value that can't be written (a sequence of unknown length) ends the
/// flow; then `use_it` is not called.
pub(super) fn with_bytes<T: Serialize + ?Sized, R>(
    run: &mut Run<'_>,
    prefix: &[u8],
    value: &T,
    use_it: impl FnOnce(&mut Run<'_>, &[u8]) -> R,
) -> Option<R> {
    let mut buffer = SPARE.with_borrow_mut(Vec::pop).unwrap_or_default();
    buffer.clear();
    buffer.extend_from_slice(prefix);
    match postcard::to_extend(value, buffer) {
        Ok(bytes) => {
            let result = use_it(run, &bytes);
            if bytes.capacity() <= KEPT_BYTES {
                SPARE.with_borrow_mut(|spare| spare.push(bytes));
            }
            Some(result)
        }
        Err(error) => {
            run.state.fail(format!("a {} can't be written: {error}", std::any::type_name::<T>()));
            None
        }
    }
}
