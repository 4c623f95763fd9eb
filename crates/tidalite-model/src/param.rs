//! Params: what a run was started with, such as `{"lr": 3e-4, "layers": [64, 10]}`.
//!
//! A JSON-like value that also keeps NaN, ±Inf and whole 64-bit integers.

use std::collections::BTreeMap;
use std::fmt;

/// A run's params by name, sorted.
pub type Params = BTreeMap<String, Param>;

/// How deep lists and maps may nest. The bound keeps a damaged record from exhausting the stack.
pub const PARAM_DEPTH_MAX: usize = 32;

/// One param's value.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Param {
    /// Nothing.
    Null,
    /// True or false.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number; NaN and ±Inf are kept.
    Float(f64),
    /// Text.
    Text(String),
    /// A list.
    List(Vec<Param>),
    /// A map.
    Map(BTreeMap<String, Param>),
}

impl Param {
    /// The value as a number. `None` for other types, booleans included.
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Param::Int(i) => Some(*i as f64),
            Param::Float(f) => Some(*f),
            _ => None,
        }
    }

    /// The nesting depth of lists and maps, this value included. 0 for a plain value.
    pub fn depth(&self) -> usize {
        match self {
            Param::List(items) => 1 + items.iter().map(Param::depth).max().unwrap_or(0),
            Param::Map(map) => 1 + map.values().map(Param::depth).max().unwrap_or(0),
            _ => 0,
        }
    }
}

impl fmt::Display for Param {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Param::Null => f.write_str("null"),
            Param::Bool(b) => write!(f, "{b}"),
            Param::Int(i) => write!(f, "{i}"),
            // Rust prints very small and large numbers in full. Readers expect 3e-5.
            Param::Float(x) if *x != 0.0 && x.is_finite() && !(1e-3..1e9).contains(&x.abs()) => {
                write!(f, "{x:e}")
            }
            Param::Float(x) => write!(f, "{x}"),
            Param::Text(s) => f.write_str(s),
            Param::List(items) => {
                f.write_str("[")?;
                for (i, item) in items.iter().enumerate() {
                    write!(f, "{}{item}", if i > 0 { ", " } else { "" })?;
                }
                f.write_str("]")
            }
            Param::Map(map) => {
                f.write_str("{")?;
                for (i, (key, value)) in map.iter().enumerate() {
                    write!(f, "{}{key}: {value}", if i > 0 { ", " } else { "" })?;
                }
                f.write_str("}")
            }
        }
    }
}

macro_rules! from {
    ($($t:ty => $variant:ident),*) => {$(
        impl From<$t> for Param {
            fn from(v: $t) -> Self {
                Param::$variant(v.into())
            }
        }
    )*};
}
from!(bool => Bool, i64 => Int, i32 => Int, u32 => Int, f64 => Float, f32 => Float, String => Text, &str => Text, Vec<Param> => List);
