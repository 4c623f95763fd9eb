//! A filter as text that reads back to the same filter.
//!
//! Parentheses stand only where the order of binding needs them. Numbers are the shortest text that reads back to the
//! same bits (but for those of a NaN); times are RFC 3339 where they lie in the years 1 to 9999.

use super::{Node, RunField, RunFilter};
use crate::TimeText;
use std::fmt::{self, Write};
use tidalite_model::{Param, TIME_US_MAX, TIME_US_MIN};

impl fmt::Display for RunFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.write(f)
    }
}

impl Node {
    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Node::And(nodes) => joined(f, nodes, " and ", |n| matches!(n, Node::Or(_))),
            Node::Or(nodes) => joined(f, nodes, " or ", |_| false),
            Node::Not(node) => {
                f.write_str("not ")?;
                node.enclosed(f, matches!(**node, Node::And(_) | Node::Or(_)))
            }
            Node::Is(of, compare, v) => write!(f, "{} {compare} {}", field(of), value(of, v)),
            Node::In(of, values) => {
                write!(f, "{} in (", field(of))?;
                for (i, v) in values.iter().enumerate() {
                    write!(f, "{}{}", if i > 0 { ", " } else { "" }, value(of, v))?;
                }
                f.write_char(')')
            }
            Node::Like(of, pattern) => write!(f, "{} like {}", field(of), quoted(&pattern.text)),
            Node::Has(of) => write!(f, "has {}", field(of)),
            Node::Tag(tag) => write!(f, "tags has {}", quoted(tag)),
        }
    }

    fn enclosed(&self, f: &mut fmt::Formatter<'_>, enclose: bool) -> fmt::Result {
        if !enclose {
            return self.write(f);
        }
        f.write_char('(')?;
        self.write(f)?;
        f.write_char(')')
    }
}

fn joined(
    f: &mut fmt::Formatter<'_>,
    nodes: &[Node],
    between: &str,
    enclose: fn(&Node) -> bool,
) -> fmt::Result {
    for (i, node) in nodes.iter().enumerate() {
        if i > 0 {
            f.write_str(between)?;
        }
        node.enclosed(f, enclose(node))?;
    }
    Ok(())
}

/// A field as text.
pub(super) fn field(field: &RunField) -> String {
    match field {
        RunField::Id => "id".into(),
        RunField::Status => "status".into(),
        RunField::Started => "started".into(),
        RunField::Ended => "ended".into(),
        RunField::Parent => "parent".into(),
        RunField::Param(path) => path.iter().fold("params".into(), |text, n| text + "." + &name(n)),
        RunField::Label(key) => format!("labels.{}", name(key)),
    }
}

/// Whether a name may hold this sign without quotes.
pub(super) fn plain(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '-' | '/')
}

fn name(name: &str) -> String {
    if !name.is_empty() && name.chars().all(plain) { name.into() } else { quoted(name) }
}

fn value(field: &RunField, value: &Param) -> String {
    match (field, value) {
        (RunField::Started | RunField::Ended, Param::Int(us)) if (TIME_US_MIN..=TIME_US_MAX).contains(us) => {
            let mut text = Vec::new();
            TimeText::default().write(*us, &mut text);
            quoted(&String::from_utf8_lossy(&text))
        }
        _ => shown(value),
    }
}

/// A value as text.
pub(super) fn shown(value: &Param) -> String {
    match value {
        Param::Text(text) => quoted(text),
        Param::Float(x) if x.is_nan() => "nan".into(),
        Param::Float(x) if x.is_infinite() => if *x > 0.0 { "inf" } else { "-inf" }.into(),
        // Its debug form has a point or an exponent, which tells it from a whole number.
        Param::Float(x) => format!("{x:?}"),
        other => other.to_string(),
    }
}

/// A text in quotes.
fn quoted(text: &str) -> String {
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
