//! A filter as text that parses back to the same filter. Parentheses stand only where precedence needs them.

use super::field::RunField;
use super::literal::{field_text, field_value_text, quoted};
use super::tree::{FilterNode, RunFilter};
use std::fmt::{self, Write};

impl fmt::Display for RunFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.write(f)
    }
}

/// As it stands in a filter.
impl fmt::Display for RunField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&field_text(self))
    }
}

impl FilterNode {
    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FilterNode::And(nodes) => joined(f, nodes, " and ", |n| matches!(n, FilterNode::Or(_))),
            FilterNode::Or(nodes) => joined(f, nodes, " or ", |_| false),
            FilterNode::Not(node) => {
                f.write_str("not ")?;
                node.enclosed(f, matches!(**node, FilterNode::And(_) | FilterNode::Or(_)))
            }
            FilterNode::Is(of, compare, v) => {
                write!(f, "{} {compare} {}", field_text(of), field_value_text(of, v))
            }
            FilterNode::In(of, values) => {
                write!(f, "{} in (", field_text(of))?;
                for (i, v) in values.iter().enumerate() {
                    write!(f, "{}{}", if i > 0 { ", " } else { "" }, field_value_text(of, v))?;
                }
                f.write_char(')')
            }
            FilterNode::Like(of, pattern) => write!(f, "{} like {}", field_text(of), quoted(&pattern.text)),
            FilterNode::Has(of) => write!(f, "has {}", field_text(of)),
            FilterNode::Tag(tag) => write!(f, "tags has {}", quoted(tag)),
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
    nodes: &[FilterNode],
    between: &str,
    enclose: fn(&FilterNode) -> bool,
) -> fmt::Result {
    for (i, node) in nodes.iter().enumerate() {
        if i > 0 {
            f.write_str(between)?;
        }
        node.enclosed(f, enclose(node))?;
    }
    Ok(())
}
