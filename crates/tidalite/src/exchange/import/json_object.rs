//! A JSON object as a row: keys in order, and values only as deep as a row needs.
//!
//! Values that no column accepts (lists) are parsed but not kept, so memory is proportional to the line's
//! length.

use super::cell::TableCell;
use super::map::COLUMNS_MAX;
use serde::de::{self, Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// The most pairs kept of a nested object: one more than labels may have.
const PAIRS_MAX: usize = 65;

/// The object of one line.
pub(super) struct Object(pub(super) Vec<(String, Json)>);

/// One value.
pub(super) enum Json {
    Null,
    Int(i64),
    UInt(u64),
    Float(f64),
    Bool(bool),
    Text(String),
    /// An object of text and integer values, a way to write labels.
    Pairs(Vec<(String, String)>),
    Other(&'static str),
}

impl Json {
    pub(super) fn cell(&self) -> TableCell<'_> {
        match self {
            Json::Null => TableCell::Null,
            Json::Int(n) => TableCell::Int(*n),
            Json::UInt(n) => TableCell::UInt(*n),
            Json::Float(x) => TableCell::Float(*x),
            Json::Bool(flag) => TableCell::Bool(*flag),
            Json::Text(text) => TableCell::Text(text),
            Json::Pairs(_) => TableCell::Other("an object"),
            Json::Other(words) => TableCell::Other(words),
        }
    }
}

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor)
    }
}

struct ObjectVisitor;

impl<'de> Visitor<'de> for ObjectVisitor {
    type Value = Object;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
        let mut row = Vec::new();
        while let Some(entry) = map.next_entry()? {
            if row.len() == COLUMNS_MAX {
                return Err(de::Error::custom(format!("the object has more than {COLUMNS_MAX} keys")));
            }
            row.push(entry);
        }
        Ok(Object(row))
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(JsonVisitor)
    }
}

struct JsonVisitor;

impl<'de> Visitor<'de> for JsonVisitor {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Json, E> {
        Ok(Json::Bool(flag))
    }

    fn visit_i64<E>(self, n: i64) -> Result<Json, E> {
        Ok(Json::Int(n))
    }

    fn visit_u64<E>(self, n: u64) -> Result<Json, E> {
        Ok(Json::UInt(n))
    }

    fn visit_f64<E>(self, x: f64) -> Result<Json, E> {
        Ok(Json::Float(x))
    }

    fn visit_str<E>(self, text: &str) -> Result<Json, E> {
        Ok(Json::Text(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Json, E> {
        Ok(Json::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Json, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Json::Other("a list"))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json, A::Error> {
        let mut pairs = Vec::new();
        let mut flat = true;
        while pairs.len() < PAIRS_MAX
            && let Some((key, value)) = map.next_entry::<String, Json>()?
        {
            match value {
                // A label without a value is absent.
                Json::Null => {}
                Json::Text(text) if text.is_empty() && !key.is_empty() => {}
                Json::Text(text) => pairs.push((key, text)),
                Json::Int(n) => pairs.push((key, n.to_string())),
                Json::UInt(n) => pairs.push((key, n.to_string())),
                _ => flat = false,
            }
        }
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(if flat {
            Json::Pairs(pairs)
        } else {
            Json::Other("an object with values other than text and integers")
        })
    }
}
