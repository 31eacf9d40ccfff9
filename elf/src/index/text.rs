//! Finds texts by their words: BM25 over an index in the process's own memory. The order of what is
//! found follows from the texts alone, and not from how the index came about.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tantivy::{
    DocSet, IndexReader, IndexWriter, ReloadPolicy, Searcher, SegmentReader, TantivyDocument, Term,
    collector::TopDocs,
    indexer::IndexWriterOptions,
    postings::Postings,
    query::{BooleanQuery, BoostQuery, Occur, Query, TermQuery},
    schema::{FAST, Field, IndexRecordOption, Schema, TextFieldIndexing, TextOptions},
    tokenizer::TextAnalyzer,
};

use super::words;

/// BM25's usual parameters: how soon repeated words stop to count, and how much length counts.
const K1: f64 = 1.2;
const B: f64 = 0.75;
/// What a pair of words says, as a share of what a word as rare says: the best on `bench-retrieval`.
const PAIR: f32 = 0.25;
/// Most different words of a query, the rarest. The rest says little, and being common it costs most:
/// all of them add 0.002 to one figure of `bench-retrieval`.
const MAX_QUERY_WORDS: usize = 20;
/// What the library may hold of texts that are on their way into the index: the least it accepts, and
/// more where many texts come at once, so that it makes fewer pieces of them.
const BUFFER: usize = 15_000_000;
const LARGE_BUFFER: usize = 100_000_000;
const MANY: usize = 1_000;
/// The first look takes so many more than were asked for, so that equals at its end can be told.
const MARGIN: usize = 20;
/// A look that was not enough is followed by one so much wider.
const WIDER: usize = 8;
/// Scores nearer than this share are one score.
const EQUAL: f64 = 1e-5;

/// An index of texts by their number.
pub struct TextIndex {
    fields: Fields,
    analyzer: TextAnalyzer,
    index: tantivy::Index,
    reader: IndexReader,
    /// Numbers and texts that the next search puts into the index first.
    waiting: Mutex<Vec<(u64, String)>>,
}

#[derive(Clone, Copy)]
struct Fields {
    text: Field,
    number: Field,
}

/// A text that was found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hit {
    /// Its number.
    pub number: u64,
    /// How well it fits; more is better, from 0.
    pub score: f64,
}

impl TextIndex {
    /// An index of nothing.
    ///
    /// # Errors
    /// The library cannot hold one.
    pub fn new() -> tantivy::Result<Self> {
        let mut schema = Schema::builder();
        let indexed = TextFieldIndexing::default()
            .set_tokenizer("words")
            .set_index_option(IndexRecordOption::WithFreqs);
        let fields = Fields {
            text: schema
                .add_text_field("text", TextOptions::default().set_indexing_options(indexed)),
            number: schema.add_u64_field("number", FAST),
        };
        let index = tantivy::Index::create_in_ram(schema.build());
        index.tokenizers().register("words", words::analyzer());
        let reader = index.reader_builder();
        let reader = reader.reload_policy(ReloadPolicy::Manual).try_into()?;
        Ok(Self {
            fields,
            analyzer: words::analyzer(),
            index,
            reader,
            waiting: Mutex::default(),
        })
    }

    /// Adds a text. A number is added once.
    pub fn add(&self, number: u64, text: &str) {
        self.waiting().push((number, text.to_owned()));
    }

    /// The texts that fit best, best first, and the lower number first of equals. Those that
    /// `wanted` refuses take no place.
    ///
    /// # Errors
    /// The index cannot be read or written.
    pub fn best(
        &self,
        query: &str,
        most: usize,
        wanted: impl Fn(u64) -> bool,
    ) -> tantivy::Result<Vec<Hit>> {
        self.take_in()?;
        let searcher = self.reader.searcher();
        let asked = Asked::of(self, &searcher, query)?;
        let mut look = most.saturating_add(MARGIN);
        loop {
            let mut found = asked.look(&searcher, look)?;
            let all = found.len() < look;
            let last = found.last().map_or(0.0, |hit| hit.score);
            found.retain(|hit| wanted(hit.number));
            let enough = found
                .get(most.saturating_sub(1))
                .is_some_and(|hit| hit.score > last * (1.0 + EQUAL));
            if all || enough || most == 0 {
                found.truncate(most);
                return Ok(found);
            }
            look = look.saturating_mul(WIDER);
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Vec<(u64, String)>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts what waits into the index. The writer lives only meanwhile: its threads and buffers would
    /// be there for each tenant else.
    fn take_in(&self) -> tantivy::Result<()> {
        let mut waiting = self.waiting();
        if waiting.is_empty() {
            return Ok(());
        }
        let is_many = waiting.len() > MANY;
        let buffer = if is_many { LARGE_BUFFER } else { BUFFER };
        let options = IndexWriterOptions::builder()
            .num_worker_threads(1)
            .num_merge_threads(1)
            .memory_budget_per_thread(buffer)
            .build();
        let mut writer: IndexWriter = self.index.writer_with_options(options)?;
        for (number, text) in waiting.iter() {
            let mut document = TantivyDocument::new();
            document.add_u64(self.fields.number, *number);
            document.add_text(self.fields.text, text);
            writer.add_document(document)?;
        }
        writer.commit()?;
        writer.wait_merging_threads()?;
        self.reader.reload()?;
        waiting.clear();
        Ok(())
    }
}

/// A word that was asked for.
struct Word {
    term: Term,
    /// How much it says.
    weight: f64,
    /// Of what its rarity says, how much counts.
    share: f32,
}

/// A query against one state of the index.
struct Asked {
    fields: Fields,
    words: Vec<Word>,
    average: f64,
}

impl Asked {
    fn of(index: &TextIndex, searcher: &Searcher, query: &str) -> tantivy::Result<Self> {
        let fields = index.fields;
        let mut found: Vec<String> = Vec::new();
        let mut analyzer = index.analyzer.clone();
        let mut stream = analyzer.token_stream(query);
        while let Some(token) = stream.next() {
            found.push(token.text.clone());
        }
        found.sort();
        found.dedup();
        let all = float(searcher.num_docs());
        let mut words = Vec::new();
        for word in found {
            let term = Term::from_field_text(fields.text, &word);
            let with = searcher.doc_freq(&term)?;
            if with > 0 {
                let rarity = ((all - float(with) + 0.5) / (float(with) + 0.5)).ln_1p();
                let share = if words::is_pair(&word) { PAIR } else { 1.0 };
                words.push(Word {
                    term,
                    weight: rarity * f64::from(share),
                    share,
                });
            }
        }
        words.sort_by(|a, b| {
            b.weight
                .total_cmp(&a.weight)
                .then_with(|| a.term.cmp(&b.term))
        });
        words.truncate(MAX_QUERY_WORDS);
        let mut tokens = 0;
        for segment in searcher.segment_readers() {
            tokens += segment.inverted_index(fields.text)?.total_num_tokens();
        }
        let average = float(tokens.max(1)) / all.max(1.0);
        Ok(Self {
            fields,
            words,
            average,
        })
    }

    /// The best texts, by a score that is added up in the same order whatever the index looks like
    /// inside: the library's own sum differs in its last digits.
    fn look(&self, searcher: &Searcher, most: usize) -> tantivy::Result<Vec<Hit>> {
        if self.words.is_empty() || most == 0 {
            return Ok(Vec::new());
        }
        let terms = self.words.iter().map(|word| {
            let query = TermQuery::new(word.term.clone(), IndexRecordOption::WithFreqs);
            let query = BoostQuery::new(Box::new(query), word.share);
            (Occur::Should, Box::new(query) as Box<dyn Query>)
        });
        let query = BooleanQuery::new(terms.collect());
        let found = searcher.search(&query, &TopDocs::with_limit(most).order_by_score())?;
        let mut by_segment: HashMap<u32, Vec<u32>> = HashMap::new();
        for (_, at) in found {
            by_segment
                .entry(at.segment_ord)
                .or_default()
                .push(at.doc_id);
        }
        let mut hits = Vec::new();
        for (segment, mut texts) in by_segment {
            texts.sort_unstable();
            hits.extend(self.scored(searcher.segment_reader(segment), &texts)?);
        }
        hits.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.number.cmp(&b.number)));
        Ok(hits)
    }

    fn scored(&self, segment: &SegmentReader, texts: &[u32]) -> tantivy::Result<Vec<Hit>> {
        let postings = segment.inverted_index(self.fields.text)?;
        let lengths = segment.get_fieldnorms_reader(self.fields.text)?;
        let numbers = segment.fast_fields().u64("number")?;
        let mut scores = vec![0.0; texts.len()];
        for word in &self.words {
            let Some(mut with) =
                postings.read_postings(&word.term, IndexRecordOption::WithFreqs)?
            else {
                continue;
            };
            for (score, text) in scores.iter_mut().zip(texts) {
                if with.doc() < *text {
                    with.seek(*text);
                }
                if with.doc() == *text {
                    let length = f64::from(lengths.fieldnorm(*text));
                    let count = f64::from(with.term_freq());
                    let norm = K1 * (1.0 - B + B * length / self.average);
                    *score += word.weight * count * (K1 + 1.0) / (count + norm);
                }
            }
        }
        let hits = scores.into_iter().zip(texts).filter_map(|(score, text)| {
            let number = numbers.first(*text)?;
            Some(Hit { number, score })
        });
        Ok(hits.collect())
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
fn float(n: u64) -> f64 {
    n as f64
}
