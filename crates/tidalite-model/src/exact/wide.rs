//! A fixed-point number that is wide enough for any sum of 2^64 values or of their squares.

/// Limbs of 64 bits, the lowest first, in two's complement.
pub(super) const LIMBS: usize = 68;
/// The exponent of the lowest bit. The least square of an f64 is 2^-2148; a multiple of 64 lets products keep whole limbs.
pub(super) const LEAST: i32 = -64 * 34;

/// The greatest sum of squares is below 2^(2048 + 64), so the sign bit is far away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wide {
    pub(super) limbs: [u64; LIMBS],
}

impl Wide {
    pub(super) const ZERO: Wide = Wide { limbs: [0; LIMBS] };

    /// Adds a finite value.
    pub(super) fn add(&mut self, value: f64) {
        let (mantissa, exponent) = parts(value);
        self.add_scaled(mantissa, exponent, value < 0.0);
    }

    /// Adds the square of a finite value.
    pub(super) fn add_square(&mut self, value: f64) {
        let (mantissa, exponent) = parts(value);
        let square = u128::from(mantissa) * u128::from(mantissa);
        self.add_scaled(square as u64, 2 * exponent, false);
        self.add_scaled((square >> 64) as u64, 2 * exponent + 64, false);
    }

    fn add_scaled(&mut self, mantissa: u64, exponent: i32, negative: bool) {
        add_scaled(&mut self.limbs, mantissa, exponent - LEAST, negative);
    }

    pub(super) fn merge(&mut self, other: &Wide) {
        let mut carry = false;
        for (limb, &term) in self.limbs.iter_mut().zip(&other.limbs) {
            let (sum, over) = limb.overflowing_add(term);
            let again;
            (*limb, again) = sum.overflowing_add(u64::from(carry));
            carry = over || again;
        }
    }

    pub(super) fn is_negative(&self) -> bool {
        self.limbs[LIMBS - 1] >> 63 == 1
    }
}

/// Adds ±`mantissa` × 2^`offset` to limbs in two's complement. The offset is not negative where there is a bit.
pub(super) fn add_scaled(limbs: &mut [u64], mantissa: u64, offset: i32, negative: bool) {
    if mantissa == 0 {
        return;
    }
    let offset = usize::try_from(offset).expect("no value has lower bits");
    let shifted = u128::from(mantissa) << (offset % 64);
    let two = [shifted as u64, (shifted >> 64) as u64];
    let mut carry = false;
    for (at, limb) in limbs[offset / 64..].iter_mut().enumerate() {
        let term = two.get(at).copied().unwrap_or(0);
        if at >= 2 && !carry {
            return;
        }
        let (sum, over, again);
        if negative {
            (sum, over) = limb.overflowing_sub(term);
            (*limb, again) = sum.overflowing_sub(u64::from(carry));
        } else {
            (sum, over) = limb.overflowing_add(term);
            (*limb, again) = sum.overflowing_add(u64::from(carry));
        }
        carry = over || again;
    }
}

/// The magnitude of a finite value, as a whole number and the exponent of its lowest bit.
pub(super) fn parts(value: f64) -> (u64, i32) {
    let bits = value.to_bits();
    let (field, fraction) = ((bits >> 52 & 0x7ff) as i32, bits & ((1 << 52) - 1));
    if field == 0 { (fraction, -1074) } else { (fraction | 1 << 52, field - 1075) }
}
