//! The TOML as it stands, asked for piece by piece: every wrong or unknown piece is noted with its
//! position and a remedy, and reading goes on, so that one run reports every mistake.

use std::cell::RefCell;
use std::fmt;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// One thing wrong with a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Line and column, counted from 1.
    pub line: usize,
    pub column: usize,
    /// Where: `[[door]] relay`.
    pub place: String,
    /// What is wrong, and what to do.
    pub what: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}: {}", self.line, self.column, self.place, self.what)
    }
}

/// Mistakes gathered so far, and the text they are in.
pub(super) struct Notes<'a> {
    text: &'a str,
    found: RefCell<Vec<Mistake>>,
}

impl<'a> Notes<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, found: RefCell::default() }
    }

    pub(super) fn add(&self, span: Range<usize>, place: &str, what: impl Into<String>) {
        let before = self.text.get(..span.start).unwrap_or(self.text);
        self.found.borrow_mut().push(Mistake {
            line: before.matches('\n').count() + 1,
            column: before.chars().rev().take_while(|c| *c != '\n').count() + 1,
            place: place.into(),
            what: what.into(),
        });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.found.borrow().is_empty()
    }

    pub(super) fn into_sorted(self) -> Vec<Mistake> {
        let mut found = self.found.into_inner();
        found.sort_by_key(|m| (m.line, m.column));
        found
    }
}

/// A table being read. Keys nobody asked for are reported by [`Section::finish`].
pub(super) struct Section<'a> {
    notes: &'a Notes<'a>,
    name: String,
    span: Range<usize>,
    table: &'a DeTable<'a>,
    asked: RefCell<Vec<&'static str>>,
}

/// A value with where it stands, for mistakes found later.
#[derive(Clone, Debug)]
pub(super) struct Item<T> {
    pub value: T,
    pub span: Range<usize>,
}

/// What [`Section::whole_or_table`] found.
pub(super) enum Either<'a> {
    Whole(Item<u64>),
    Table(Section<'a>),
}

impl<'a> Section<'a> {
    pub(super) fn root(notes: &'a Notes<'a>, table: &'a DeTable<'a>) -> Self {
        Self { notes, name: String::new(), span: 0..0, table, asked: RefCell::default() }
    }

    pub(super) fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    pub(super) fn place(&self, key: &str) -> String {
        if self.name.is_empty() { key.into() } else { format!("{} {key}", self.name) }
    }

    pub(super) fn note(&self, span: Range<usize>, key: &str, what: impl Into<String>) {
        self.notes.add(span, &self.place(key), what);
    }

    fn get(&self, key: &'static str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.asked.borrow_mut().push(key);
        self.table.get(key)
    }

    /// Notes something wrong with a key's value, or with the section where the key isn't given.
    pub(super) fn note_key(&self, key: &'static str, what: impl Into<String>) {
        let span = self.table.get(key).map_or(self.span(), Spanned::span);
        self.note(span, key, what);
    }

    /// Notes that a required key is missing.
    pub(super) fn missing(&self, key: &'static str, example: &str) {
        self.note(self.span(), key, format!("missing: add {key} = {example}"));
    }

    /// The same, if the key is not there at all; one that is there and wrong was noted already.
    pub(super) fn missing_unless_wrong(&self, key: &'static str, example: &str) {
        if !self.table.contains_key(key) {
            self.missing(key, example);
        }
    }

    fn wrong(&self, value: &Spanned<DeValue<'_>>, key: &str, want: &str) {
        self.note(value.span(), key, format!("must be {want}"));
    }

    pub(super) fn text(&self, key: &'static str) -> Option<Item<String>> {
        let value = self.get(key)?;
        match value.get_ref() {
            DeValue::String(s) if !s.is_empty() => {
                Some(Item { value: s.to_string(), span: value.span() })
            }
            _ => {
                self.wrong(value, key, "a text in quotes, not empty");
                None
            }
        }
    }

    pub(super) fn required_text(&self, key: &'static str, example: &str) -> Option<Item<String>> {
        self.missing_unless_wrong(key, example);
        self.text(key)
    }

    /// A text that means something: parsed, or noted with what its parser says.
    pub(super) fn parsed<T: std::str::FromStr>(&self, key: &'static str, example: &str) -> Option<T>
    where
        T::Err: fmt::Display,
    {
        let item = self.required_text(key, example)?;
        item.value
            .parse()
            .map_err(|e| self.note(item.span, key, format!("{e}, for example {example}")))
            .ok()
    }

    pub(super) fn whole(
        &self,
        key: &'static str,
        range: std::ops::RangeInclusive<u64>,
    ) -> Option<Item<u64>> {
        let value = self.get(key)?;
        let number = match value.get_ref() {
            DeValue::Integer(i) => {
                u64::from_str_radix(&i.as_str().replace('_', ""), i.radix()).ok()
            }
            _ => None,
        };
        match number.filter(|n| range.contains(n)) {
            Some(number) => Some(Item { value: number, span: value.span() }),
            None => {
                let want = format!("a whole number from {} to {}", range.start(), range.end());
                self.wrong(value, key, &want);
                None
            }
        }
    }

    /// A whole number, or a table that has it and more: `relay = 17`, `relay = { line = 17, active = "low" }`.
    pub(super) fn whole_or_table(
        &self,
        key: &'static str,
        range: std::ops::RangeInclusive<u64>,
    ) -> Option<Either<'a>> {
        match self.table.get(key).map(|value| (value.span(), value.get_ref())) {
            Some((span, DeValue::Table(table))) => {
                self.asked.borrow_mut().push(key);
                Some(Either::Table(self.inner(self.place(key), span, table)))
            }
            _ => self.whole(key, range).map(Either::Whole),
        }
    }

    /// One number, or the least and the most of them in a list.
    pub(super) fn whole_or_range(
        &self,
        key: &'static str,
        range: std::ops::RangeInclusive<u64>,
    ) -> Option<Item<(u64, u64)>> {
        let value = self.get(key)?;
        let number = |value: &Spanned<DeValue<'_>>| match value.get_ref() {
            DeValue::Integer(i) => {
                u64::from_str_radix(&i.as_str().replace('_', ""), i.radix()).ok()
            }
            _ => None,
        };
        let found = match value.get_ref() {
            DeValue::Array(items) => match items.get(..).unwrap_or_default() {
                [least, most] => number(least).zip(number(most)),
                _ => None,
            },
            _ => number(value).map(|n| (n, n)),
        };
        let (start, end) = (range.start(), range.end());
        match found.filter(|(a, b)| range.contains(a) && range.contains(b) && a <= b) {
            Some(found) => Some(Item { value: found, span: value.span() }),
            None => {
                let want = format!(
                    "a whole number from {start} to {end}, or the least and the most: [4, 10]"
                );
                self.wrong(value, key, &want);
                None
            }
        }
    }

    /// A list of exactly so many whole numbers.
    pub(super) fn wholes<const N: usize>(
        &self,
        key: &'static str,
        range: std::ops::RangeInclusive<u64>,
    ) -> Option<Item<[u64; N]>> {
        let value = self.get(key)?;
        let number = |value: &Spanned<DeValue<'_>>| match value.get_ref() {
            DeValue::Integer(i) => u64::from_str_radix(&i.as_str().replace('_', ""), i.radix())
                .ok()
                .filter(|n| range.contains(n)),
            _ => None,
        };
        let found: Option<Vec<u64>> = match value.get_ref() {
            DeValue::Array(items) => items.iter().map(number).collect(),
            _ => None,
        };
        let found = found.and_then(|found| found.try_into().ok());
        if found.is_none() {
            let (start, end) = (range.start(), range.end());
            self.wrong(value, key, &format!("a list of {N} whole numbers from {start} to {end}"));
        }
        Some(Item { value: found?, span: value.span() })
    }

    pub(super) fn whole_or(
        &self,
        key: &'static str,
        range: std::ops::RangeInclusive<u64>,
        default: u64,
    ) -> u64 {
        self.whole(key, range).map_or(default, |item| item.value)
    }

    /// A number, with or without a decimal point.
    pub(super) fn number(
        &self,
        key: &'static str,
        range: std::ops::RangeInclusive<f64>,
    ) -> Option<Item<f64>> {
        let value = self.get(key)?;
        match decimal(value.get_ref()).filter(|n| range.contains(n)) {
            Some(number) => Some(Item { value: number, span: value.span() }),
            None => {
                let want = format!("a number from {} to {}", range.start(), range.end());
                self.wrong(value, key, &want);
                None
            }
        }
    }

    pub(super) fn flag_or(&self, key: &'static str, default: bool) -> bool {
        let Some(value) = self.get(key) else { return default };
        match value.get_ref() {
            DeValue::Boolean(b) => *b,
            _ => {
                self.wrong(value, key, "true or false");
                default
            }
        }
    }

    /// One of a few words.
    pub(super) fn choice<T: Copy>(&self, key: &'static str, of: &[(&str, T)], default: T) -> T {
        let Some(item) = self.text(key) else { return default };
        match of.iter().find(|(word, _)| *word == item.value) {
            Some((_, value)) => *value,
            None => {
                let words: Vec<_> = of.iter().map(|(word, _)| format!("\"{word}\"")).collect();
                self.note(item.span, key, format!("must be {}", words.join(" or ")));
                default
            }
        }
    }

    pub(super) fn texts(&self, key: &'static str) -> Option<Item<Vec<Item<String>>>> {
        let value = self.get(key)?;
        let list = match value.get_ref() {
            DeValue::Array(items) => items
                .iter()
                .map(|item| match item.get_ref() {
                    DeValue::String(s) => Some(Item { value: s.to_string(), span: item.span() }),
                    _ => None,
                })
                .collect::<Option<Vec<_>>>(),
            _ => None,
        };
        if list.is_none() {
            self.wrong(value, key, "a list of texts, for example [\"one\", \"two\"]");
        }
        Some(Item { value: list?, span: value.span() })
    }

    pub(super) fn section(&self, key: &'static str) -> Option<Section<'a>> {
        let value = self.get(key)?;
        match value.get_ref() {
            DeValue::Table(table) => Some(self.inner(format!("[{key}]"), value.span(), table)),
            _ => {
                self.wrong(value, key, &format!("a section: [{key}]"));
                None
            }
        }
    }

    /// A table within a section: `summer = { begin = "..." }`.
    pub(super) fn table(&self, key: &'static str, example: &str) -> Option<Section<'a>> {
        let value = self.get(key)?;
        match value.get_ref() {
            DeValue::Table(table) => Some(self.inner(self.place(key), value.span(), table)),
            _ => {
                self.wrong(value, key, &format!("a table: {key} = {example}"));
                None
            }
        }
    }

    /// Whether a key is there at all, right or wrong.
    pub(super) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    pub(super) fn required_section(&self, key: &'static str) -> Option<Section<'a>> {
        if !self.table.contains_key(key) {
            self.note(0..0, &format!("[{key}]"), "this section is missing");
        }
        self.section(key)
    }

    pub(super) fn sections(&self, key: &'static str) -> Vec<Section<'a>> {
        let Some(value) = self.get(key) else { return Vec::new() };
        let DeValue::Array(items) = value.get_ref() else {
            self.wrong(value, key, &format!("one or more sections: [[{key}]]"));
            return Vec::new();
        };
        let mut sections = Vec::new();
        for item in items {
            match item.get_ref() {
                DeValue::Table(table) => {
                    sections.push(self.inner(format!("[[{key}]]"), item.span(), table));
                }
                _ => self.wrong(item, key, &format!("a section: [[{key}]]")),
            }
        }
        sections
    }

    fn inner(&self, name: String, span: Range<usize>, table: &'a DeTable<'a>) -> Section<'a> {
        Section { notes: self.notes, name, span, table, asked: RefCell::default() }
    }

    /// Notes keys that mean nothing here: a misspelt option must not be silently ignored.
    pub(super) fn finish(self) {
        let asked = self.asked.borrow();
        for (key, _) in self.table.iter() {
            if !asked.iter().any(|a| *a == key.get_ref().as_ref()) {
                let known = asked.join(", ");
                self.note(
                    key.span(),
                    key.get_ref(),
                    format!("is not an option here; there are: {known}"),
                );
            }
        }
    }
}

fn decimal(value: &DeValue<'_>) -> Option<f64> {
    let text = match value {
        DeValue::Float(f) => f.as_str(),
        DeValue::Integer(i) if i.radix() == 10 => i.as_str(),
        _ => return None,
    };
    text.replace('_', "").parse().ok().filter(|number: &f64| number.is_finite())
}
