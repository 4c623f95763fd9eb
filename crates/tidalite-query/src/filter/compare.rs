//! Comparing a number or a text with another: the six signs, and what they mean between numbers of unlike kinds.
//!
//! Whole numbers and floating-point ones are compared by what they are, never by way of a rounded one. Filters of runs
//! and of series call this.

use crate::words::unknown_word;
use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;
use tidalite_model::{Error, Result};

/// How two things are compared.
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
    /// The sign.
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

    /// Whether it asks for an order, rather than for equality.
    pub(crate) fn is_order(self) -> bool {
        !matches!(self, Compare::Equal | Compare::NotEqual)
    }

    /// Whether two things that stand so to each other are as asked. Things without an order are not equal.
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

/// How a whole number stands to a floating-point one, exactly; none to NaN.
///
/// ```
/// use std::cmp::Ordering::{Equal, Greater};
/// use tidalite_query::compare_int_float;
/// assert_eq!(compare_int_float((1 << 53) + 1, (1u64 << 53) as f64), Some(Greater));
/// assert_eq!((compare_int_float(2, 2.0), compare_int_float(2, f64::NAN)), (Some(Equal), None));
/// ```
pub fn compare_int_float(whole: i64, real: f64) -> Option<Ordering> {
    // 2^63 is a floating-point number, and the least that is greater than every whole one.
    const ABOVE: f64 = 9_223_372_036_854_775_808.0;
    if real.is_nan() {
        return None;
    }
    if real >= ABOVE {
        return Some(Ordering::Less);
    }
    if real < -ABOVE {
        return Some(Ordering::Greater);
    }
    // Within the range, so that cutting the fraction off is all that is lost.
    let cut = real.trunc() as i64;
    Some(whole.cmp(&cut).then(if real > real.trunc() {
        Ordering::Less
    } else if real < real.trunc() {
        Ordering::Greater
    } else {
        Ordering::Equal
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn whole_numbers_and_real_ones_have_the_order_of_the_line(
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
    fn each_sign_means_its_orders() {
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
