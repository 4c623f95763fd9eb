//! Params as JSON, without loss.
//!
//! JSON has no NaN and no infinities; they are written as `{"$float": "NaN" | "Infinity" | "-Infinity"}`. A key of a
//! user's map that begins with `$` gets one more `$`, so that the two cannot be confused.

use serde_json::{Map, Number, Value};
use tidalite_model::{PARAM_DEPTH_MAX, Param};

/// The JSON of one param.
pub fn param_to_json(param: &Param) -> Value {
    match param {
        Param::Null => Value::Null,
        Param::Bool(b) => Value::Bool(*b),
        Param::Int(i) => Value::from(*i),
        Param::Float(x) => match Number::from_f64(*x) {
            Some(n) => Value::Number(n),
            None => {
                let word = if x.is_nan() {
                    "NaN"
                } else if *x > 0.0 {
                    "Infinity"
                } else {
                    "-Infinity"
                };
                Value::Object(Map::from_iter([("$float".to_string(), Value::from(word))]))
            }
        },
        Param::Text(s) => Value::from(s.as_str()),
        Param::List(items) => Value::Array(items.iter().map(param_to_json).collect()),
        Param::Map(map) => Value::Object(
            map.iter()
                .map(|(k, v)| {
                    (if k.starts_with('$') { format!("${k}") } else { k.clone() }, param_to_json(v))
                })
                .collect(),
        ),
        // `Param` is non-exhaustive: an unknown kind is kept as text.
        other => Value::from(other.to_string()),
    }
}

/// The param of a JSON value; `None` if it nests too deep or holds a number beyond 64 bits.
pub fn param_from_json(value: &Value) -> Option<Param> {
    from_json(value, 0)
}

fn from_json(value: &Value, depth: usize) -> Option<Param> {
    if depth > PARAM_DEPTH_MAX {
        return None;
    }
    Some(match value {
        Value::Null => Param::Null,
        Value::Bool(b) => Param::Bool(*b),
        Value::Number(n) => match n.as_i64() {
            Some(i) => Param::Int(i),
            None => Param::Float(n.as_f64()?),
        },
        Value::String(s) => Param::Text(s.clone()),
        Value::Array(items) => {
            Param::List(items.iter().map(|v| from_json(v, depth + 1)).collect::<Option<_>>()?)
        }
        Value::Object(map) => {
            if let (1, Some(Value::String(word))) = (map.len(), map.get("$float")) {
                return Some(Param::Float(match word.as_str() {
                    "NaN" => f64::NAN,
                    "Infinity" => f64::INFINITY,
                    "-Infinity" => f64::NEG_INFINITY,
                    _ => return None,
                }));
            }
            let pairs = map.iter().map(|(k, v)| {
                let key = if k.starts_with("$$") { k[1..].to_string() } else { k.clone() };
                Some((key, from_json(v, depth + 1)?))
            });
            Param::Map(pairs.collect::<Option<_>>()?)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn every_param_reads_back_as_it_was() {
        let map =
            BTreeMap::from([("$float".to_string(), Param::Text("NaN".into())), ("x".into(), Param::Null)]);
        for p in [
            Param::Int(i64::MIN),
            Param::Float(0.1),
            Param::Float(1.0),
            Param::Float(-0.0),
            Param::Float(f64::INFINITY),
            Param::Float(f64::NEG_INFINITY),
            Param::List(vec![true.into(), "🌊".into()]),
            Param::Map(map),
        ] {
            let text = param_to_json(&p).to_string();
            let back = param_from_json(&serde_json::from_str(&text).unwrap()).unwrap();
            assert_eq!(back, p, "{text}");
        }
        assert!(
            matches!(param_from_json(&param_to_json(&Param::Float(f64::NAN))), Some(Param::Float(x)) if x.is_nan())
        );
    }
}
