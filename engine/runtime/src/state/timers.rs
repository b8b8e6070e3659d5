//! The timers of an operator.

use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;
use thalweg_core::exactly_once::{DueNow, Run};

use super::encoding::{decode, with_bytes};

/// The timers of an exactly-once flow's operator: a constant beside it. A timer is known by the key of the run that sets it
/// and an id, most often of an enum that names what is due and carries what the run will need.
#[derive(Debug)]
pub struct Timers<T> {
    ids: PhantomData<fn(&T)>,
}

impl<T: Serialize + DeserializeOwned> Timers<T> {
    /// Timers with such ids.
    #[expect(clippy::new_without_default, reason = "a constant, beside the tables' `new`")]
    #[must_use]
    pub const fn new() -> Self {
        Self { ids: PhantomData }
    }

    /// Sets a timer of this run's key, or gives it another deadline, in ms since 1970.
    pub fn set(&self, run: &mut Run<'_>, id: &T, deadline_ms: i64) {
        with_bytes(run, &[], id, |run, id| run.state.set_timer(id, deadline_ms));
    }

    /// Cancels a timer of this run's key, if it is pending.
    pub fn cancel(&self, run: &mut Run<'_>, id: &T) {
        with_bytes(run, &[], id, |run, id| run.state.cancel_timer(id));
    }

    /// The deadline of a timer of this run's key, as this run would leave it.
    pub fn deadline_ms(&self, run: &mut Run<'_>, id: &T) -> Option<i64> {
        with_bytes(run, &[], id, |run, id| run.state.timer_ms(id))?
    }

    /// The id of the timer that is due. `None`: it can't be read, and the flow ends; the run should just return.
    pub fn due(&self, run: &mut Run<'_>, due: DueNow<'_>) -> Option<T> {
        let read = decode(due.timer.id);
        if read.is_none() {
            run.state.fail(format!(
                "a timer's id is no {}: it was set by another program, or a newer version of this one",
                std::any::type_name::<T>()
            ));
        }
        read
    }
}
