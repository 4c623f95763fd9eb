//! The six comparisons, and the exact order between integers and floats, without rounding either.

use crate::words::unknown_word;
use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;
use tidalite_model::{Error, Result};

/// How two values are compared. It parses from `=` or `==`, `!=`, `<`, `<=`, `>` and `>=`.
///
/// ```
/// use tidalite_query::Compare;
/// assert_eq!(">=".parse::<Compare>()?, Compare::GreaterOrEqual);
/// assert_eq!("==".parse::<Compare>()?.to_string(), "=");
/// assert!("=>".parse::<Compare>().unwrap_err().to_string().contains("!=, <, <="));
/// # Ok::<(), tidalite_model::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Compare {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
}

impl Compare {
    /// Its sign.
    pub fn as_str(self) -> &'static str {
        match self {
            Compare::Equal => "=",
            Compare::NotEqual => "!=",
            Compare::Less => "<",
            Compare::LessOrEqual => "<=",
            Compare::Greater => ">",
            Compare::GreaterOrEqual => ">=",
        }
    }

    /// Whether it compares by order rather than for equality.
    pub(crate) fn is_order(self) -> bool {
        !matches!(self, Compare::Equal | Compare::NotEqual)
    }

    /// Whether the comparison is true of two values in this order. Values without an order are not equal.
    ///
    /// ```
    /// use tidalite_query::Compare;
    /// assert!(Compare::LessOrEqual.holds(1.partial_cmp(&1)));
    /// assert!(Compare::NotEqual.holds(None) && !Compare::Less.holds(None));
    /// ```
    pub fn holds(self, order: Option<Ordering>) -> bool {
        match self {
            Compare::Equal => order == Some(Ordering::Equal),
            Compare::NotEqual => order != Some(Ordering::Equal),
            Compare::Less => order == Some(Ordering::Less),
            Compare::LessOrEqual => matches!(order, Some(Ordering::Less | Ordering::Equal)),
            Compare::Greater => order == Some(Ordering::Greater),
            Compare::GreaterOrEqual => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
        }
    }
}

impl FromStr for Compare {
    type Err = Error;

    fn from_str(sign: &str) -> Result<Self> {
        match sign {
            "=" | "==" => Ok(Compare::Equal),
            "!=" => Ok(Compare::NotEqual),
            "<" => Ok(Compare::Less),
            "<=" => Ok(Compare::LessOrEqual),
            ">" => Ok(Compare::Greater),
            ">=" => Ok(Compare::GreaterOrEqual),
            _ => Err(unknown_word("read comparison", sign, "=, !=, <, <=, >, >=")),
        }
    }
}

impl fmt::Display for Compare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The exact order of an integer and a float; `None` for NaN.
///
/// ```
/// use std::cmp::Ordering::{Equal, Greater};
/// use tidalite_query::compare_int_float;
/// assert_eq!(compare_int_float((1 << 53) + 1, (1u64 << 53) as f64), Some(Greater));
/// assert_eq!((compare_int_float(2, 2.0), compare_int_float(2, f64::NAN)), (Some(Equal), None));
/// ```
pub fn compare_int_float(int: i64, float: f64) -> Option<Ordering> {
    // 2^63, the least float that is greater than every i64.
    const ABOVE: f64 = 9_223_372_036_854_775_808.0;
    if float.is_nan() {
        return None;
    }
    if float >= ABOVE {
        return Some(Ordering::Less);
    }
    if float < -ABOVE {
        return Some(Ordering::Greater);
    }
    // In range, so the cast loses only the fraction.
    let cut = float.trunc() as i64;
    Some(int.cmp(&cut).then(if float > float.trunc() {
        Ordering::Less
    } else if float < float.trunc() {
        Ordering::Greater
    } else {
        Ordering::Equal
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ALL: [Compare; 6] = [
        Compare::Equal,
        Compare::NotEqual,
        Compare::Less,
        Compare::LessOrEqual,
        Compare::Greater,
        Compare::GreaterOrEqual,
    ];

    proptest! {
        #[test]
        fn each_comparison_reads_back_from_its_sign(compare in prop::sample::select(ALL.to_vec())) {
            prop_assert_eq!(compare.to_string().parse::<Compare>().unwrap(), compare);
        }

        #[test]
        fn integers_and_floats_have_the_order_of_the_numbers(
            whole in prop_oneof![any::<i64>(), -5..5i64],
            real in prop_oneof![any::<f64>(), -5.0..5.0f64, any::<i64>().prop_map(|i| i as f64)],
        ) {
            let order = compare_int_float(whole, real);
            if real.fract() == 0.0 && real.abs() < 1e20 {
                prop_assert_eq!(order, Some(i128::from(whole).cmp(&(real as i128))));
            } else if real.is_finite() && real.abs() < 1e20 {
                let floor = real.floor() as i128;
                let expected = if i128::from(whole) <= floor { Ordering::Less } else { Ordering::Greater };
                prop_assert_eq!(order, Some(expected));
            } else {
                prop_assert_eq!(order, 0.0.partial_cmp(&real));
            }
        }
    }

    #[test]
    fn each_comparison_is_true_of_its_orders() {
        let orders = [Some(Ordering::Less), Some(Ordering::Equal), Some(Ordering::Greater), None];
        let held = |c: Compare| orders.map(|o| c.holds(o));
        assert_eq!(held(Compare::Equal), [false, true, false, false]);
        assert_eq!(held(Compare::NotEqual), [true, false, true, true]);
        assert_eq!(held(Compare::Less), [true, false, false, false]);
        assert_eq!(held(Compare::LessOrEqual), [true, true, false, false]);
        assert_eq!(held(Compare::Greater), [false, false, true, false]);
        assert_eq!(held(Compare::GreaterOrEqual), [false, true, true, false]);
    }
}
