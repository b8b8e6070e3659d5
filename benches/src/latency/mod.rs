//! How late effects are: from the time at which a record was due until the bulk request that carries it was answered,
//! by the stand-in, which answers at once. Open loop: the load does not wait for who is late. Beside it the machine's
//! own hiccups.

mod rate;
mod rounds;

pub(crate) use rounds::{Settings, run};
