//! Params as the keys of groups, and the columns that show them.
//!
//! A key is a text, as the key of any other name. Keys order as their values do: numbers first, by size, then false and
//! true, then text, then lists and maps by their text. Values are one group if they are equal and of one type; integers
//! and floats in one column of floats are of one type. Null is as no value.

use arrow::datatypes::DataType;
use tidalite_model::Param;

/// The type of the column that shows a param.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum ParamColumn {
    /// Text, and values of several types as text.
    #[default]
    Text,
    Int,
    /// Floats, or floats and integers that are floats exactly.
    Float,
    Bool,
}

/// The most that an integer may differ from zero to be a float exactly, whatever its value.
const EXACT_MAX: u64 = 1 << f64::MANTISSA_DIGITS;
const SIGN: u64 = 1 << 63;

impl ParamColumn {
    /// The column for these values.
    pub(crate) fn of<'a>(values: impl IntoIterator<Item = &'a Param>) -> ParamColumn {
        let (mut ints, mut exact, mut floats, mut bools, mut others) = (false, true, false, false, false);
        for value in values {
            match value {
                Param::Null => {}
                Param::Int(i) => (ints, exact) = (true, exact && i.unsigned_abs() <= EXACT_MAX),
                Param::Float(_) => floats = true,
                Param::Bool(_) => bools = true,
                _ => others = true,
            }
        }
        match (ints, floats, bools, others) {
            (true, false, false, false) => ParamColumn::Int,
            (false, true, false, false) => ParamColumn::Float,
            (true, true, false, false) if exact => ParamColumn::Float,
            (false, false, true, false) => ParamColumn::Bool,
            _ => ParamColumn::Text,
        }
    }

    pub(crate) fn data_type(self) -> DataType {
        match self {
            ParamColumn::Text => DataType::Utf8,
            ParamColumn::Int => DataType::Int64,
            ParamColumn::Float => DataType::Float64,
            ParamColumn::Bool => DataType::Boolean,
        }
    }

    /// The key of a value; `None` for null.
    pub(crate) fn key(self, value: &Param) -> Option<String> {
        Some(match value {
            Param::Null => return None,
            Param::Int(i) if self == ParamColumn::Float => float_key(*i as f64),
            // Integers that are one float are ordered by themselves.
            Param::Int(i) => format!("0{:016x}i{:016x}", ordered(*i as f64), i.cast_unsigned() ^ SIGN),
            Param::Float(x) => float_key(*x),
            Param::Bool(b) => format!("1{b}"),
            Param::Text(text) => format!("2{text}"),
            other => format!("3{other}"),
        })
    }
}

fn float_key(x: f64) -> String {
    format!("0{:016x}f", ordered(x))
}

/// The bits of a float such that they order as floats do; both zeros are one, and NaN is last.
fn ordered(x: f64) -> u64 {
    let bits = if x.is_nan() { f64::NAN.to_bits() & !SIGN } else { (x + 0.0).to_bits() };
    if bits & SIGN == 0 { bits | SIGN } else { !bits }
}

/// The value of a key as text.
pub(super) fn shown(key: &str) -> String {
    match (int(key), float(key)) {
        (Some(i), _) => i.to_string(),
        (None, Some(x)) => Param::Float(x).to_string(),
        _ => key.get(1..).unwrap_or_default().to_string(),
    }
}

/// The integer of a key; `None` if it is of another type.
pub(super) fn int(key: &str) -> Option<i64> {
    let digits = key.strip_prefix('0')?.get(16..)?.strip_prefix('i')?;
    u64::from_str_radix(digits, 16).ok().map(|bits| (bits ^ SIGN).cast_signed())
}

/// The float of a key; `None` if it is of another type.
pub(super) fn float(key: &str) -> Option<f64> {
    let bits = u64::from_str_radix(key.strip_prefix('0')?.strip_suffix('f')?, 16).ok()?;
    Some(f64::from_bits(if bits & SIGN == 0 { !bits } else { bits & !SIGN }))
}

/// The boolean of a key; `None` if it is of another type.
pub(super) fn boolean(key: &str) -> Option<bool> {
    key.strip_prefix('1')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn one_type_makes_a_column_of_it_and_several_make_text() {
        let text = || Param::Text("a".into());
        let cases: [(&[Param], ParamColumn); 8] = [
            (&[], ParamColumn::Text),
            (&[Param::Int(1), Param::Null], ParamColumn::Int),
            (&[Param::Float(0.1)], ParamColumn::Float),
            (&[Param::Float(0.1), Param::Int(1)], ParamColumn::Float),
            (&[Param::Float(0.1), Param::Int(i64::MAX)], ParamColumn::Text),
            (&[Param::Bool(true)], ParamColumn::Bool),
            (&[Param::Bool(true), Param::Int(1)], ParamColumn::Text),
            (&[text(), Param::List(vec![])], ParamColumn::Text),
        ];
        for (values, column) in cases {
            assert_eq!(ParamColumn::of(values), column, "{values:?}");
        }
    }

    #[test]
    fn keys_order_numbers_then_booleans_then_text_then_lists() {
        let values = [
            Param::Float(f64::NEG_INFINITY),
            Param::Int(i64::MIN),
            Param::Float(-1.5),
            Param::Int(0),
            Param::Float(0.5),
            Param::Int(2),
            Param::Int(10),
            Param::Int(i64::MAX - 1),
            Param::Int(i64::MAX),
            Param::Float(f64::NAN),
            Param::Bool(false),
            Param::Bool(true),
            Param::Text("10".into()),
            Param::Text("x".into()),
            Param::List(vec![Param::Int(1)]),
        ];
        let keys: Vec<String> = values.iter().filter_map(|v| ParamColumn::Text.key(v)).collect();
        assert!(keys.is_sorted() && keys.len() == values.len(), "{keys:?}");
        let texts: Vec<String> = keys.iter().map(|k| shown(k)).collect();
        assert_eq!(texts, values.map(|v| v.to_string()));
        assert_ne!(ParamColumn::Text.key(&Param::Int(1)), ParamColumn::Text.key(&Param::Float(1.0)));
        assert_eq!(ParamColumn::Float.key(&Param::Int(1)), ParamColumn::Float.key(&Param::Float(1.0)));
        assert_eq!(ParamColumn::Float.key(&Param::Float(-0.0)), ParamColumn::Float.key(&Param::Int(0)));
        assert_eq!(ParamColumn::Int.key(&Param::Null), None);
    }

    proptest! {
        #[test]
        fn a_key_holds_its_number_and_orders_by_it(a in any::<f64>(), b in any::<f64>(), i in any::<i64>(), j in any::<i64>()) {
            let key = |x: Param| ParamColumn::Int.key(&x).unwrap();
            let held = float(&key(Param::Float(a))).unwrap();
            prop_assert!(held == a || held.is_nan() && a.is_nan());
            prop_assert_eq!(int(&key(Param::Int(i))), Some(i));
            prop_assert_eq!(key(Param::Int(i)).cmp(&key(Param::Int(j))), i.cmp(&j));
            if let Some(order) = a.partial_cmp(&b) {
                prop_assert_eq!(key(Param::Float(a)).cmp(&key(Param::Float(b))), order);
            }
        }
    }
}
