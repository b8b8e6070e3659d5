//! Searching what a sink has written, for the live page's search box.

use std::pin::Pin;

/// A search that is waited for, on any thread.
pub type Searching<'w> = Pin<Box<dyn Future<Output = Result<Vec<Hit>, String>> + Send + 'w>>;

/// Finds what a sink has written.
pub trait Search: Send + Sync {
    /// What people typed, at most 200 bytes; answers at most 20 hits, the newest first, within two seconds.
    ///
    /// # Errors
    /// Why nothing can be found right now, for people.
    fn search<'w>(&'w self, query: &'w str) -> Searching<'w>;
}

/// Something that was found.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Hit {
    /// What was written, cut to some hundred letters.
    pub text: String,
    /// When, as the document says it.
    pub time: Option<String>,
    /// Who and where: names and values.
    pub words: Vec<(String, String)>,
}
