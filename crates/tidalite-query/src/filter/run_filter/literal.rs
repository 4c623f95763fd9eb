//! Fields and values as text that parses back to them.
//!
//! A float is the shortest text that parses to the same bits, NaN aside; a time is RFC 3339 where its year is 1 to
//! 9999.

use super::field::RunField;
use crate::filter::rfc3339::TimeText;
use tidalite_model::{Param, TIME_US_MAX, TIME_US_MIN};

/// A field as text.
pub(super) fn field_text(field: &RunField) -> String {
    match field {
        RunField::Id => "id".into(),
        RunField::Status => "status".into(),
        RunField::Started => "started".into(),
        RunField::Ended => "ended".into(),
        RunField::Name => "name".into(),
        RunField::Notes => "notes".into(),
        RunField::Group => "group".into(),
        RunField::Reason => "reason".into(),
        RunField::Parent => "parent".into(),
        RunField::Param(path) => dotted("params", path),
        RunField::Environment(path) => dotted("environment", path),
        RunField::Label(key) => format!("labels.{}", name(key)),
    }
}

fn dotted(first: &str, path: &[String]) -> String {
    path.iter().fold(first.into(), |text, n| text + "." + &name(n))
}

/// Whether a name may hold this character without quotes.
pub(super) fn plain(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '-' | '/')
}

fn name(name: &str) -> String {
    if !name.is_empty() && name.chars().all(plain) { name.into() } else { quoted(name) }
}

pub(super) fn field_value_text(field: &RunField, value: &Param) -> String {
    match (field, value) {
        (RunField::Started | RunField::Ended, Param::Int(us)) if (TIME_US_MIN..=TIME_US_MAX).contains(us) => {
            let mut text = Vec::new();
            TimeText::default().write(*us, &mut text);
            quoted(&String::from_utf8_lossy(&text))
        }
        _ => value_text(value),
    }
}

/// A value as text.
pub(super) fn value_text(value: &Param) -> String {
    match value {
        Param::Text(text) => quoted(text),
        Param::Float(x) if x.is_nan() => "nan".into(),
        Param::Float(x) if x.is_infinite() => if *x > 0.0 { "inf" } else { "-inf" }.into(),
        // The debug form has a point or an exponent, which tells it from an integer.
        Param::Float(x) => format!("{x:?}"),
        other => other.to_string(),
    }
}

/// A text in quotes.
pub(super) fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            c if c.is_control() => quoted.push_str(&format!("\\u{{{:x}}}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}
