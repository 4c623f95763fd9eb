//! The x of a point as an integer and back.
//!
//! Charts and lines are drawn over integers. Steps and times are integers already. The values of a metric become
//! integers by a power of two, the greatest that leaves space for all of them: then a bucket whose width is a power
//! of two is a bucket of the values too, aligned at zero, and its start is exact. Where only the order counts, the
//! values' own bits serve, which lose nothing.

/// The x of a point.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum XValue {
    Int(i64),
    Float(f64),
}

impl XValue {
    pub(super) fn int(self) -> i64 {
        match self {
            XValue::Int(x) => x,
            XValue::Float(x) => x as i64,
        }
    }

    pub(super) fn float(self) -> f64 {
        match self {
            XValue::Int(x) => x as f64,
            XValue::Float(x) => x,
        }
    }
}

/// How an x becomes an integer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum XScale {
    /// It is one.
    Int,
    /// A float by its bits, in the order of floats: exact, but distances mean nothing.
    OrderedBits,
    /// A float times two to this power, rounded down.
    FixedPoint(i32),
}

/// A fixed-point number stays within two to this power.
const FIXED_BITS: i32 = 62;

impl XScale {
    /// The fixed-point scale for numbers up to this magnitude.
    pub(crate) fn fixed_point(greatest: f64) -> Self {
        // The exponent of the least power of two above it; for subnormals, that of the greatest subnormal.
        let biased = (greatest.abs().to_bits() >> 52) & 0x7ff;
        let above = i32::try_from(biased).expect("eleven bits") - 1022;
        // A multiplier above the greatest f64 is infinite.
        XScale::FixedPoint((FIXED_BITS - above).min(1000))
    }

    /// The integer of an x.
    pub(crate) fn to_int(self, x: XValue) -> i64 {
        match (self, x) {
            (XScale::Int, x) => x.int(),
            (XScale::OrderedBits, x) => {
                // −0 is 0.
                let bits = (x.float() + 0.0).to_bits().cast_signed();
                if bits < 0 { bits ^ i64::MAX } else { bits }
            }
            (XScale::FixedPoint(power), x) => (x.float() * 2f64.powi(power)).floor() as i64,
        }
    }

    /// The x of an integer: the one it came from, or the one that was rounded down to.
    pub(crate) fn to_x(self, int: i64) -> XValue {
        match self {
            XScale::Int => XValue::Int(int),
            XScale::OrderedBits => {
                XValue::Float(f64::from_bits(if int < 0 { int ^ i64::MAX } else { int }.cast_unsigned()))
            }
            // A bucket of the greatest magnitudes may start beyond the range of f64.
            XScale::FixedPoint(_) => XValue::Float((int as f64 * self.unit()).clamp(f64::MIN, f64::MAX)),
        }
    }

    /// The distance in x between two adjacent integers.
    pub(super) fn unit(self) -> f64 {
        match self {
            XScale::FixedPoint(power) => 2f64.powi(-power),
            XScale::Int | XScale::OrderedBits => 1.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn real() -> impl Strategy<Value = f64> {
        prop_oneof![
            4 => -1e3..1e3f64,
            2 => any::<f64>().prop_filter("finite", |x| x.is_finite()),
            1 => prop::sample::select(vec![0.0, -0.0, f64::MAX, f64::MIN, 5e-324, 1.0]),
        ]
    }

    proptest! {
        #[test]
        fn ordered_bits_are_exact_and_fixed_point_is_near_relative_to_the_greatest(a in real(), b in real()) {
            let (order, fixed) = (XScale::OrderedBits, XScale::fixed_point(a.abs().max(b.abs())));
            let (x, y) = (order.to_int(XValue::Float(a)), order.to_int(XValue::Float(b)));
            prop_assert_eq!(x.cmp(&y), a.partial_cmp(&b).unwrap());
            prop_assert_eq!(order.to_x(x).float(), a);
            let (x, y) = (fixed.to_int(XValue::Float(a)), fixed.to_int(XValue::Float(b)));
            let ordered = if a <= b { x <= y } else { x >= y };
            prop_assert!(ordered);
            prop_assert!(x.unsigned_abs() <= 1 << 62 && y.unsigned_abs() <= 1 << 62);
            let off = a - fixed.to_x(x).float();
            let greatest = a.abs().max(b.abs());
            prop_assert!(off.abs() <= (greatest / 2f64.powi(52)).max(2f64.powi(-1000)), "{a} {off}");
        }

        #[test]
        fn a_bucket_of_fixed_point_numbers_is_a_bucket_of_the_axis(a in real(), power in 1..62i32) {
            let place = XScale::fixed_point(a);
            let width = 2f64.powi(power) * place.unit();
            prop_assume!(width > f64::MIN_POSITIVE && a.abs() < 1e300);
            let start = place.to_x((place.to_int(XValue::Float(a)) >> power) << power).float();
            prop_assert!(start <= a && (a - start < width || a - start == width && a < 0.0), "{start} {a} {width}");
            prop_assert_eq!((start / width).fract(), 0.0);
        }
    }
}
