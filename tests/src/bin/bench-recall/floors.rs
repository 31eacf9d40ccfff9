//! What memory cannot be faster than: the library's own search without anything around it, and the
//! file read without anything made of it.

use std::{path::Path, time::Instant};

use anyhow::Result;
use rusqlite::{Connection, OpenFlags};
use sandbox_tests::figures::Times;
use tantivy::{
    IndexReader, IndexWriter, TantivyDocument, Term,
    collector::TopDocs,
    query::{BooleanQuery, Occur, Query, TermQuery},
    schema::{Field, IndexRecordOption, Schema, TEXT},
};

use super::made;

const BUFFER: usize = 200_000_000;
const BEST: usize = 100;

/// The texts in an index of the library, as it comes.
pub struct Bare {
    reader: IndexReader,
    text: Field,
}

impl Bare {
    pub fn of(rules: u64) -> Result<Self> {
        let mut schema = Schema::builder();
        let text = schema.add_text_field("text", TEXT);
        let index = tantivy::Index::create_in_ram(schema.build());
        let mut writer: IndexWriter = index.writer_with_num_threads(1, BUFFER)?;
        for rule in made::texts(rules) {
            let mut document = TantivyDocument::new();
            document.add_text(text, rule);
            writer.add_document(document)?;
        }
        writer.commit()?;
        writer.wait_merging_threads()?;
        let reader = index.reader()?;
        Ok(Self { reader, text })
    }

    pub fn searches(&self, rounds: usize, chance: &mut u64) -> Result<Times> {
        let mut times = Times::default();
        let searcher = self.reader.searcher();
        for _ in 0..rounds {
            let words = made::words(20, chance);
            let begun = Instant::now();
            let terms = words.split(' ').map(|word| {
                let term = Term::from_field_text(self.text, word);
                let query = TermQuery::new(term, IndexRecordOption::WithFreqs);
                (Occur::Should, Box::new(query) as Box<dyn Query>)
            });
            let query = BooleanQuery::new(terms.collect());
            searcher.search(&query, &TopDocs::with_limit(BEST).order_by_score())?;
            times.since(begun);
        }
        Ok(times)
    }
}

/// Seconds to read every item of the file.
pub fn read(file: &Path) -> Result<f64> {
    let begun = Instant::now();
    let db = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let mut statement = db.prepare("SELECT body FROM items")?;
    let mut rows = statement.query([])?;
    let mut bytes = 0;
    while let Some(row) = rows.next()? {
        bytes += row.get_ref(0)?.as_str()?.len();
    }
    anyhow::ensure!(bytes > 0, "the file is empty");
    Ok(begun.elapsed().as_secs_f64())
}
