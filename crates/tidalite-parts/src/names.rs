//! Names of runs, metrics and labels as read from files. Equal texts share one allocation.

use std::collections::HashMap;
use std::sync::Arc;
use tidalite_model::{Labels, SeriesKey};

/// Gives equal names the same allocation.
pub(crate) struct NameInterner {
    texts: HashMap<Vec<u8>, Arc<str>>,
    labels: HashMap<Vec<u8>, Labels>,
    last: Option<SeriesKey>,
    /// Texts by the address of their bytes. A file's dictionary holds each text once, and comparing is cheaper than hashing.
    by_address: [Option<Arc<str>>; ADDRESSES],
}

const ADDRESSES: usize = 256;

impl Default for NameInterner {
    fn default() -> Self {
        let (texts, labels, last) = Default::default();
        NameInterner { texts, labels, last, by_address: [const { None }; ADDRESSES] }
    }
}

impl NameInterner {
    /// The key of three texts as stored in a file.
    pub(crate) fn key(
        &mut self,
        run: &[u8],
        metric: &[u8],
        labels: &[u8],
    ) -> Result<SeriesKey, &'static str> {
        // Rows are sorted, so the run and the labels mostly equal those of the previous row.
        let last = self.last.take();
        let key = SeriesKey {
            run: match &last {
                Some(last) if last.run.as_bytes() == run => last.run.clone(),
                _ => self.text(run)?,
            },
            metric: self.text(metric)?,
            labels: match &last {
                Some(last) if last.labels.as_str().as_bytes() == labels => last.labels.clone(),
                _ => self.labels(labels)?,
            },
        };
        self.last = Some(key.clone());
        Ok(key)
    }

    fn text(&mut self, bytes: &[u8]) -> Result<Arc<str>, &'static str> {
        let slot = (bytes.as_ptr().addr() / 4 + bytes.len()) % ADDRESSES;
        if let Some(text) = &self.by_address[slot]
            && text.as_bytes() == bytes
        {
            return Ok(text.clone());
        }
        let text = match self.texts.get(bytes) {
            Some(text) => text.clone(),
            None => {
                let text: Arc<str> = std::str::from_utf8(bytes).map_err(|_| "a name is not UTF-8")?.into();
                self.texts.insert(bytes.to_vec(), text.clone());
                text
            }
        };
        self.by_address[slot] = Some(text.clone());
        Ok(text)
    }

    fn labels(&mut self, bytes: &[u8]) -> Result<Labels, &'static str> {
        if let Some(labels) = self.labels.get(bytes) {
            return Ok(labels.clone());
        }
        let text = std::str::from_utf8(bytes).map_err(|_| "a label is not UTF-8")?;
        let labels = Labels::parse(text).map_err(|_| "labels are not of the form key=value")?;
        self.labels.insert(bytes.to_vec(), labels.clone());
        Ok(labels)
    }
}

/// Texts, numbered in the order of first appearance.
#[derive(Debug, Default)]
pub(crate) struct NumberedNames {
    numbers: HashMap<Arc<str>, u32>,
    texts: Vec<Arc<str>>,
}

impl NumberedNames {
    /// The number of a text as stored in a file.
    pub(crate) fn number(&mut self, bytes: &[u8]) -> Result<u32, &'static str> {
        std::str::from_utf8(bytes).map(|text| self.number_of(text)).map_err(|_| "a name is not UTF-8")
    }

    /// The number of a text, new if need be.
    pub(crate) fn number_of(&mut self, text: &str) -> u32 {
        if let Some(&number) = self.numbers.get(text) {
            return number;
        }
        let number = u32::try_from(self.texts.len()).expect("a table has at most 2^32 rows, so fewer names");
        let text: Arc<str> = text.into();
        self.texts.push(text.clone());
        self.numbers.insert(text, number);
        number
    }

    /// The number of a text; `None` where it has none.
    pub(crate) fn find(&self, text: &str) -> Option<u32> {
        self.numbers.get(text).copied()
    }

    /// All texts, by number.
    pub(crate) fn texts(&self) -> &[Arc<str>] {
        &self.texts
    }

    /// The texts in ascending order, and for each number the index of its text in that order.
    pub(crate) fn sorted(self) -> (Vec<Arc<str>>, Vec<u32>) {
        let mut order: Vec<u32> = (0u32..).take(self.texts.len()).collect();
        order.sort_unstable_by(|&a, &b| self.texts[a as usize].cmp(&self.texts[b as usize]));
        let mut ranks = vec![0; order.len()];
        for (rank, &number) in (0u32..).zip(&order) {
            ranks[number as usize] = rank;
        }
        (order.iter().map(|&number| self.texts[number as usize].clone()).collect(), ranks)
    }
}
