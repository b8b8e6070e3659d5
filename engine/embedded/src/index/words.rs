//! Words: how texts are taken apart, when they are indexed and when they are searched.

use tantivy::tokenizer::{
    LowerCaser, RemoveLongFilter, SimpleTokenizer, TextAnalyzer, TokenStream as _, TokenizerManager,
};

use super::refusal::Refusal;

/// The name under which text fields find their analyzer.
pub(super) const WORDS: &str = "words";

/// Longer words are not indexed. Elasticsearch cuts them into pieces of this length.
const WORD_BYTES_MAX: usize = 255;

/// Elasticsearch's limit for the clauses of a query.
const SEARCHED_MAX: usize = 1_024;

fn analyzer() -> TextAnalyzer {
    TextAnalyzer::builder(SimpleTokenizer::default())
        .filter(RemoveLongFilter::limit(WORD_BYTES_MAX))
        .filter(LowerCaser)
        .build()
}

/// The analyzers of an index.
pub(super) fn tokenizers() -> TokenizerManager {
    let tokenizers = TokenizerManager::default();
    tokenizers.register(WORDS, analyzer());
    tokenizers
}

/// The words of a text that is searched for.
pub(super) fn of(text: &str) -> Result<Vec<String>, Refusal> {
    let mut analyzer = analyzer();
    let (mut words, mut stream) = (Vec::new(), analyzer.token_stream(text));
    while stream.advance() {
        words.push(stream.token().text.clone());
        if words.len() > SEARCHED_MAX {
            return Err(Refusal::new(
                400,
                "too_many_clauses",
                format!("maxClauseCount is set to {SEARCHED_MAX}"),
            ));
        }
    }
    Ok(words)
}
