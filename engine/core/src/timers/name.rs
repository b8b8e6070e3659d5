//! What a timer is known by.

/// A timer by its key and its id, both any bytes. The key is that of the records whose order it runs in; the id tells
/// a key's timers apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimerRef<'a> {
    /// The key.
    pub key: &'a [u8],
    /// The id.
    pub id: &'a [u8],
}

/// The same as one string of bytes: the key's length as LEB128, the key, the id. The form is also that of changelogs,
/// and must never change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimerName(Box<[u8]>);

impl TimerRef<'_> {
    /// How many bytes [`TimerRef::write_name`] appends at most.
    pub(crate) fn name_len(&self) -> usize {
        const LENGTH_BYTES_MAX: usize = 10;
        LENGTH_BYTES_MAX + self.key.len() + self.id.len()
    }

    /// Appends the name's bytes.
    pub(crate) fn write_name(&self, into: &mut Vec<u8>) {
        crate::leb128::write(self.key.len() as u64, into);
        into.extend_from_slice(self.key);
        into.extend_from_slice(self.id);
    }

    /// Reads a name's bytes; `None` when they are none.
    #[must_use]
    pub(crate) fn read_name(name: &[u8]) -> Option<TimerRef<'_>> {
        let mut rest = name;
        let key_len = crate::leb128::read(&mut rest)?;
        let (key, id) = rest.split_at_checked(usize::try_from(key_len).ok()?)?;
        Some(TimerRef { key, id })
    }
}

impl TimerName {
    /// `name` was written by [`TimerRef::write_name`], or read by [`TimerRef::read_name`].
    pub(super) fn new(name: Box<[u8]>) -> Self {
        Self(name)
    }

    /// Its bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Its key and its id.
    #[must_use]
    pub fn timer(&self) -> TimerRef<'_> {
        TimerRef::read_name(&self.0).expect("names are checked before they come in")
    }
}
