//! Views: compacted topics that every instance keeps in memory, for answering GET requests.
//!
//! ```text
//! the operator's run -> the view's topic (key: id, value: JSON), in the run's transaction
//! every instance     <- all partitions of it, without a group     -> View -> GET
//! ```
//!
//! A [`View`] is said beside the settings, and shown by routes of [`crate::commands::Commands`], which start and stop it:
//!
//! ```no_run
//! # use serde::Deserialize;
//! # use thalweg::commands::{Answer, CommandSettings, Commands, Problem, Request};
//! # use thalweg::views::{PageRequest, View, ViewSettings};
//! /// What of an order decides who sees it.
//! #[derive(Deserialize)]
//! struct Order { user_id: String }
//!
//! fn one(orders: &View<Order>, request: &Request<'_>) -> Result<Answer, Problem> {
//!     let found = orders.get(request.parameter("id")).filter(|order| order.value.user_id == request.user);
//!     let found = found.ok_or_else(|| Problem::new(404, "no-such-order", "you have no order with this id"))?;
//!     Ok(found.answer())
//! }
//!
//! fn mine(orders: &View<Order>, request: &Request<'_>) -> Result<Answer, Problem> {
//!     let page = PageRequest::of(request)?;
//!     Ok(orders.page(&page, |_key, order| order.user_id == request.user).answer())
//! }
//!
//! # let (commands, views) = (CommandSettings::default(), ViewSettings::default());
//! let orders = View::<Order>::json("orders-view", &views);
//! let commands = Commands::with(&commands)
//!     .get_from(&orders, "/orders/{id}", one)
//!     .get_from(&orders, "/orders", mine);
//! ```
//!
//! **What is seen.** Only what is committed. A view that has not yet read everything that was there at the start answers
//! 503 with `Retry-After`, and the process is not ready. Afterwards it follows within milliseconds.
//!
//! **Who has written reads it.** A reply may reach its client before the view has the record of the same transaction. So a
//! route's 404 counts only once the view has everything that was written before the request came: until then the route is
//! asked again whenever something comes. For what was there before and has changed, a client that must see its own change
//! sends `Cache-Control: no-cache`: then the route is asked only once the view is that far. Both hold for any instance,
//! take one small question to the brokers, and wait for transactions that are open; a request that would wait for longer
//! than [`ViewSettings::wait_ms`] gets a 503.
//!
//! **Where partitions were added** to a view's topic, keys have moved: of two records of a key in two partitions the one
//! with the later timestamp counts. A tombstone counts against those that were read before it only.

mod item;
mod looking;
mod page;
mod progress;
mod reading;
mod settings;
mod table;
mod view;

pub use item::Item;
pub use page::{Page, PageRequest};
pub use settings::ViewSettings;
pub use view::View;

pub(crate) use progress::Unready;
pub(crate) use reading::{ViewReader, prepare};
pub(crate) use view::{AnyView, ViewCounted};
