//! A filter from its text: recursive descent, one function per level of precedence. There is no list of tokens, since
//! the meaning of a character depends on its place: `-` is part of a name, or the sign of a number.
//!
//! Bounds: parentheses and `not` nest at most [`DEPTH_MAX`] deep, so no text exhausts the stack. Each error names the
//! column, counted from 1 in characters, what was found there, and what was expected.

use super::field::RunField;
use super::literal::plain;
use super::tree::{FilterNode, RunFilter};
use crate::filter::compare::Compare;
use std::str::FromStr;
use tidalite_model::{Error, Param, Result};

/// The greatest depth of parentheses and `not`; each level takes a few hundred bytes of stack.
const DEPTH_MAX: usize = 64;
/// The greatest number of characters of the text found that a message shows.
const SHOWN_MAX: usize = 20;

const FIELDS: &str = "a field: id, name, group, notes, status, reason, started, ended, parent, params.NAME, environment.NAME or labels.NAME; or `tags has`, \
     `has` or `not`";
const VALUES: &str = "a value: a number, a text in quotes, true, false, null, nan or inf";

impl RunFilter {
    /// Parses a filter.
    ///
    /// # Errors
    /// `Invalid`; the message gives the column, counted from 1, what was found there, and what was expected.
    ///
    /// ```
    /// let wrong = tidalite_query::RunFilter::parse("params.lr > ").unwrap_err().to_string();
    /// assert!(wrong.contains("column 13"), "{wrong}");
    /// ```
    pub fn parse(text: &str) -> Result<RunFilter> {
        parse(text)
    }
}

impl FromStr for RunFilter {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        RunFilter::parse(text)
    }
}

impl FromStr for RunField {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let mut parser = FilterParser { text, at: 0, depth: 0 };
        let read = parser.field().and_then(|field| {
            parser.blanks();
            if parser.rest().is_empty() { Ok(field) } else { Err(parser.expected("the end")) }
        });
        read.map_err(|fault| fault.error(text))
    }
}

fn parse(text: &str) -> Result<RunFilter> {
    let mut parser = FilterParser { text, at: 0, depth: 0 };
    let read = parser.any().and_then(|node| {
        parser.blanks();
        if parser.rest().is_empty() { Ok(node) } else { Err(parser.expected("`and`, `or` or the end")) }
    });
    read.map(RunFilter).map_err(|fault| fault.error(text))
}

/// What is wrong, and at which byte of the text.
struct ParseFault {
    at: usize,
    what: String,
}

impl ParseFault {
    fn error(self, text: &str) -> Error {
        let column = text[..self.at].chars().count() + 1;
        let rest = &text[self.at..];
        let mut shown: String = rest.chars().take(SHOWN_MAX).collect();
        if shown.len() < rest.len() {
            shown.push('…');
        }
        let found = if rest.is_empty() { "the end".to_string() } else { format!("`{shown}`") };
        Error::invalid(
            "read run filter",
            format!("at column {column}, at {found}: {}", self.what),
            "write it as in `params.lr > 1e-3 and tags has \"baseline\"`",
        )
    }
}

struct FilterParser<'a> {
    text: &'a str,
    /// The next byte; always a boundary of characters.
    at: usize,
    depth: usize,
}

type Parsed<T> = Result<T, ParseFault>;

impl<'a> FilterParser<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn blanks(&mut self) {
        self.at = self.text.len() - self.rest().trim_start().len();
    }

    fn fault(&self, at: usize, what: impl Into<String>) -> ParseFault {
        ParseFault { at, what: what.into() }
    }

    fn expected(&self, what: &str) -> ParseFault {
        self.fault(self.at, format!("expected {what}"))
    }

    /// Consumes a symbol if it comes next.
    fn symbol(&mut self, symbol: &str) -> bool {
        self.blanks();
        let there = self.rest().starts_with(symbol);
        self.at += if there { symbol.len() } else { 0 };
        there
    }

    /// The next word, not consumed; empty where there is none.
    fn peek(&mut self) -> &'a str {
        self.blanks();
        let rest = self.rest();
        &rest[..rest.find(|c: char| !c.is_alphabetic()).unwrap_or(rest.len())]
    }

    /// Consumes a word if it comes next; case does not count.
    fn word(&mut self, word: &str) -> bool {
        let there = self.peek().eq_ignore_ascii_case(word);
        self.at += if there { word.len() } else { 0 };
        there
    }

    fn any(&mut self) -> Parsed<FilterNode> {
        let mut nodes = vec![self.all()?];
        while self.word("or") {
            nodes.push(self.all()?);
        }
        Ok(FilterNode::any(nodes))
    }

    fn all(&mut self) -> Parsed<FilterNode> {
        let mut nodes = vec![self.one()?];
        while self.word("and") {
            nodes.push(self.one()?);
        }
        Ok(FilterNode::all(nodes))
    }

    fn one(&mut self) -> Parsed<FilterNode> {
        self.blanks();
        let start = self.at;
        let not = self.word("not");
        if !not && !self.symbol("(") {
            return self.test();
        }
        if self.depth == DEPTH_MAX {
            return Err(self.fault(start, format!("nested more than {DEPTH_MAX} deep")));
        }
        self.depth += 1;
        let node = if not {
            self.one()?.negated()
        } else {
            let node = self.any()?;
            if !self.symbol(")") {
                return Err(self.expected("`and`, `or` or `)`"));
            }
            node
        };
        self.depth -= 1;
        Ok(node)
    }

    fn test(&mut self) -> Parsed<FilterNode> {
        if self.word("tags") {
            if !self.word("has") {
                return Err(self.expected("`has`"));
            }
            return Ok(FilterNode::Tag(self.quoted("a tag in quotes")?));
        }
        if self.word("has") {
            return Ok(FilterNode::Has(self.field()?));
        }
        let field = self.field()?;
        if self.word("like") {
            return self.like(field);
        }
        if self.word("in") {
            return self.values(field);
        }
        let compare = self.compare()?;
        let (at, value) = self.value()?;
        let value = field.checked(compare.is_order(), value).map_err(|what| self.fault(at, what))?;
        Ok(FilterNode::Is(field, compare, value))
    }

    fn like(&mut self, field: RunField) -> Parsed<FilterNode> {
        self.blanks();
        let at = self.at;
        let pattern = self.quoted("a pattern in quotes")?;
        field.check_like().map_err(|what| self.fault(at, what))?;
        let like = field.like(pattern).map_err(|e| self.fault(at, e.wrong()))?;
        Ok(like.0)
    }

    fn values(&mut self, field: RunField) -> Parsed<FilterNode> {
        if !self.symbol("(") {
            return Err(self.expected("`(` and values"));
        }
        let mut values = Vec::new();
        while !self.symbol(")") {
            if !values.is_empty() && !self.symbol(",") {
                return Err(self.expected("`,` or `)`"));
            }
            let (at, value) = self.value()?;
            values.push(field.checked(false, value).map_err(|what| self.fault(at, what))?);
        }
        Ok(FilterNode::In(field, values))
    }

    fn field(&mut self) -> Parsed<RunField> {
        let word = self.peek();
        let field = match word.to_ascii_lowercase().as_str() {
            "id" => RunField::Id,
            "status" => RunField::Status,
            "started" => RunField::Started,
            "ended" => RunField::Ended,
            "name" => RunField::Name,
            "notes" => RunField::Notes,
            "group" => RunField::Group,
            "reason" => RunField::Reason,
            "parent" => RunField::Parent,
            "params" => {
                self.at += word.len();
                return Ok(RunField::Param(self.path("param")?));
            }
            "environment" => {
                self.at += word.len();
                return Ok(RunField::Environment(self.path("field of the environment")?));
            }
            "labels" => {
                self.at += word.len();
                return Ok(RunField::Label(self.name("label")?));
            }
            _ => return Err(self.no_field()),
        };
        self.at += word.len();
        Ok(field)
    }

    /// What is no field; many write the name of a param alone, or below the word of another tool.
    fn no_field(&self) -> ParseFault {
        const OTHER_WORDS: [&str; 7] =
            ["config.", "cfg.", "param.", "hparams.", "hyperparams.", "summary.", "run."];
        let rest = self.rest();
        let word = &rest[..rest.find(|c| !plain(c) && c != '.').unwrap_or(rest.len())];
        let name = OTHER_WORDS.iter().find_map(|other| word.strip_prefix(other)).unwrap_or(word);
        let name = name.trim_matches('.');
        let is_name = name.starts_with(|c: char| c.is_alphabetic() || c == '_') && !name.contains("..");
        if !is_name {
            return self.expected(FIELDS);
        }
        let meant = match word.strip_prefix("label.") {
            Some(label) => format!("labels.{label}"),
            None => format!("params.{name}"),
        };
        self.expected(&format!("{FIELDS}; did you mean `{meant}`?"))
    }

    /// Dots, each with a name.
    fn path(&mut self, what: &str) -> Parsed<Vec<String>> {
        let mut path = vec![self.name(what)?];
        while self.rest().starts_with('.') {
            path.push(self.name(what)?);
        }
        Ok(path)
    }

    /// A dot and a name.
    fn name(&mut self, what: &str) -> Parsed<String> {
        if !self.rest().starts_with('.') {
            return Err(self.expected(&format!("`.` and the name of a {what}")));
        }
        self.at += 1;
        let rest = self.rest();
        if rest.starts_with(['"', '\'']) {
            return self.quoted("a name");
        }
        let name = &rest[..rest.find(|c| !plain(c)).unwrap_or(rest.len())];
        if name.is_empty() {
            let name = format!(
                "the name of a {what}, in quotes where it has other characters than letters, digits, _, - and /"
            );
            return Err(self.expected(&name));
        }
        self.at += name.len();
        Ok(name.to_string())
    }

    fn compare(&mut self) -> Parsed<Compare> {
        // Longer symbols first.
        const SYMBOLS: [(&str, Compare); 7] = [
            ("==", Compare::Equal),
            ("!=", Compare::NotEqual),
            ("<=", Compare::LessOrEqual),
            (">=", Compare::GreaterOrEqual),
            ("=", Compare::Equal),
            ("<", Compare::Less),
            (">", Compare::Greater),
        ];
        let found = SYMBOLS.iter().find(|(symbol, _)| self.symbol(symbol)).map(|(_, compare)| *compare);
        found.ok_or_else(|| self.expected("=, !=, <, <=, >, >=, `in` or `like`"))
    }

    /// A value, and the byte at which it starts.
    fn value(&mut self) -> Parsed<(usize, Param)> {
        self.blanks();
        let at = self.at;
        let rest = self.rest();
        if rest.starts_with(['"', '\'']) {
            return Ok((at, Param::Text(self.quoted(VALUES)?)));
        }
        let is_part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '+' | '-' | '.');
        let word = &rest[..rest.find(|c| !is_part(c)).unwrap_or(rest.len())];
        let value = match word.to_ascii_lowercase().as_str() {
            "true" => Param::Bool(true),
            "false" => Param::Bool(false),
            "null" => Param::Null,
            "nan" => Param::Float(f64::NAN),
            "inf" | "+inf" => Param::Float(f64::INFINITY),
            "-inf" => Param::Float(f64::NEG_INFINITY),
            _ if word.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c)) => {
                number(word).ok_or_else(|| self.fault(at, format!("`{word}` is not a number")))?
            }
            "" => return Err(self.expected(VALUES)),
            _ => return Err(self.expected(&format!("{VALUES}; text needs quotes"))),
        };
        self.at += word.len();
        Ok((at, value))
    }

    /// A text in single or double quotes.
    fn quoted(&mut self, what: &str) -> Parsed<String> {
        self.blanks();
        let start = self.at;
        let Some(quote) = self.rest().chars().next().filter(|c| matches!(c, '"' | '\'')) else {
            return Err(self.expected(what));
        };
        self.at += 1;
        let mut text = String::new();
        loop {
            let at = self.at;
            let Some(c) = self.take() else {
                return Err(self.fault(start, format!("the text has no {quote} at its end")));
            };
            match c {
                c if c == quote => return Ok(text),
                '\\' => text.push(self.escaped().ok_or_else(|| {
                    self.fault(at, "after \\ comes \\, \", ', n, r, t, or u{HEX} for a character by its code")
                })?),
                c => text.push(c),
            }
        }
    }

    fn take(&mut self) -> Option<char> {
        let c = self.rest().chars().next()?;
        self.at += c.len_utf8();
        Some(c)
    }

    fn escaped(&mut self) -> Option<char> {
        Some(match self.take()? {
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            c @ ('\\' | '"' | '\'') => c,
            'u' => {
                let (hex, _) = self.rest().strip_prefix('{')?.split_once('}')?;
                // Six digits hold every character. `from_str_radix` accepts a plus, the grammar does not.
                let digits = !hex.is_empty() && hex.len() <= 6 && hex.chars().all(|c| c.is_ascii_hexdigit());
                let c = digits.then(|| u32::from_str_radix(hex, 16).ok())?.and_then(char::from_u32)?;
                self.at += hex.len() + 2;
                c
            }
            _ => return None,
        })
    }
}

/// An integer where it is one and fits i64, else a float.
fn number(word: &str) -> Option<Param> {
    let digits = word.trim_start_matches(['+', '-']);
    // Rust also parses words such as `infinity` as numbers; the grammar does not have them.
    if digits.contains(|c: char| !(c.is_ascii_digit() || "eE.+-".contains(c))) {
        return None;
    }
    if let Ok(whole) = word.parse::<i64>() {
        return Some(Param::Int(whole));
    }
    word.parse::<f64>().ok().map(Param::Float)
}
