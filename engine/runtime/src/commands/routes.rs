//! Which requests there are, and what becomes of them.

use std::fmt;
use std::sync::Arc;

use axum::http::Method;

use super::problem::{Answer, Problem};
use super::request::{NewCommand, Request};
use super::settings::CommandSettings;
use crate::views::{AnyView, View};

/// Makes a command of a request, or refuses it.
pub(super) type Accept = dyn Fn(&Request<'_>) -> Result<NewCommand, Problem> + Send + Sync;

/// Answers a request at once.
pub(super) type Tell = dyn Fn(&Request<'_>) -> Result<Answer, Problem> + Send + Sync;

/// What becomes of a request.
#[derive(Clone)]
pub(super) enum Does {
    /// A record, and the reply to it.
    Commands(Arc<Accept>),
    /// An answer at once; also to those who do not say who they are.
    Tells { to_anybody: bool, tell: Arc<Tell> },
    /// As [`Does::Tells`], from a view, once that has what was written.
    Shows { to_anybody: bool, view: Arc<dyn AnyView>, tell: Arc<Tell> },
}

/// One method of one path.
#[derive(Clone)]
pub(super) struct Route {
    pub(super) method: Method,
    pub(super) path: &'static str,
    pub(super) does: Does,
}

/// The requests that a flow takes: what stands behind [`crate::flow::Flow::commands`].
///
/// Paths are patterns as in `/orders/{id}`. The functions run on the thread that serves all requests: they must not wait
/// for anything.
///
/// ```no_run
/// # use thalweg::commands::{Answer, CommandSettings, Commands, NewCommand, Problem, Request};
/// fn place(request: &Request<'_>) -> Result<NewCommand, Problem> {
///     let id = request.new_id("order");
///     Ok(NewCommand { key: id.into_bytes(), value: request.body.to_vec() })
/// }
///
/// # let settings = CommandSettings::default();
/// let commands = Commands::with(&settings)
///     .post("/orders", place)
///     .get("/orders/{id}", |request| Answer::json(request.parameter("id")));
/// ```
#[derive(Clone)]
pub struct Commands {
    pub(super) settings: CommandSettings,
    /// Where they stand among the program's settings.
    pub(super) section: String,
    pub(super) routes: Vec<Route>,
    /// What they show; each once.
    pub(super) views: Vec<Arc<dyn AnyView>>,
}

impl fmt::Debug for Commands {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let routes = self.routes.iter().map(|route| format!("{} {}", route.method, route.path));
        f.debug_list().entries(routes).finish()
    }
}

impl Commands {
    /// None yet; taken and answered as the settings say.
    #[must_use]
    pub fn with(settings: &CommandSettings) -> Self {
        Self {
            settings: settings.clone(),
            section: "commands".to_owned(),
            routes: Vec::new(),
            views: Vec::new(),
        }
    }

    /// The settings stand in that section of the program's settings instead of `commands`; for errors.
    #[must_use]
    pub fn section(mut self, section: &str) -> Self {
        section.clone_into(&mut self.section);
        self
    }

    /// POST requests for that path become commands.
    #[must_use]
    pub fn post(
        self,
        path: &'static str,
        accept: impl Fn(&Request<'_>) -> Result<NewCommand, Problem> + Send + Sync + 'static,
    ) -> Self {
        self.command(Method::POST, path, accept)
    }

    /// PUT requests for that path become commands.
    #[must_use]
    pub fn put(
        self,
        path: &'static str,
        accept: impl Fn(&Request<'_>) -> Result<NewCommand, Problem> + Send + Sync + 'static,
    ) -> Self {
        self.command(Method::PUT, path, accept)
    }

    /// DELETE requests for that path become commands.
    #[must_use]
    pub fn delete(
        self,
        path: &'static str,
        accept: impl Fn(&Request<'_>) -> Result<NewCommand, Problem> + Send + Sync + 'static,
    ) -> Self {
        self.command(Method::DELETE, path, accept)
    }

    /// GET requests for that path are answered at once, for users.
    #[must_use]
    pub fn get(
        self,
        path: &'static str,
        tell: impl Fn(&Request<'_>) -> Result<Answer, Problem> + Send + Sync + 'static,
    ) -> Self {
        let does = Does::Tells { to_anybody: false, tell: Arc::new(tell) };
        self.route(Method::GET, path, does)
    }

    /// GET requests for that path are answered at once, for anybody. A token that does not count is refused all the same.
    #[must_use]
    pub fn get_open(
        self,
        path: &'static str,
        tell: impl Fn(&Request<'_>) -> Result<Answer, Problem> + Send + Sync + 'static,
    ) -> Self {
        let does = Does::Tells { to_anybody: true, tell: Arc::new(tell) };
        self.route(Method::GET, path, does)
    }

    /// GET requests for that path are answered from a view, for users; see [`crate::views`] for what they see.
    #[must_use]
    pub fn get_from<V: Send + Sync + 'static>(
        self,
        view: &View<V>,
        path: &'static str,
        show: impl Fn(&View<V>, &Request<'_>) -> Result<Answer, Problem> + Send + Sync + 'static,
    ) -> Self {
        self.show(view, path, show, false)
    }

    /// GET requests for that path are answered from a view, for anybody. A token that does not count is refused all the
    /// same.
    #[must_use]
    pub fn get_open_from<V: Send + Sync + 'static>(
        self,
        view: &View<V>,
        path: &'static str,
        show: impl Fn(&View<V>, &Request<'_>) -> Result<Answer, Problem> + Send + Sync + 'static,
    ) -> Self {
        self.show(view, path, show, true)
    }

    fn show<V: Send + Sync + 'static>(
        mut self,
        view: &View<V>,
        path: &'static str,
        show: impl Fn(&View<V>, &Request<'_>) -> Result<Answer, Problem> + Send + Sync + 'static,
        to_anybody: bool,
    ) -> Self {
        let (erased, view) = (view.erased(), view.clone());
        if !self.views.iter().any(|known| Arc::ptr_eq(known, &erased)) {
            self.views.push(Arc::clone(&erased));
        }
        let tell = Arc::new(move |request: &Request<'_>| show(&view, request));
        self.route(Method::GET, path, Does::Shows { to_anybody, view: erased, tell })
    }

    fn command(
        self,
        method: Method,
        path: &'static str,
        accept: impl Fn(&Request<'_>) -> Result<NewCommand, Problem> + Send + Sync + 'static,
    ) -> Self {
        self.route(method, path, Does::Commands(Arc::new(accept)))
    }

    fn route(mut self, method: Method, path: &'static str, does: Does) -> Self {
        self.routes.push(Route { method, path, does });
        self
    }
}
