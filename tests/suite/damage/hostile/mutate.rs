//! Changes of bytes, numbers and JSON that a forger may try.

use serde_json::{Value, json};
use tidalite_testkit::Random;

/// Numbers at which lengths, counts and positions go wrong.
const NUMBERS: [u64; 24] = [
    0,
    1,
    2,
    7,
    8,
    63,
    64,
    127,
    128,
    255,
    256,
    4095,
    65_535,
    65_536,
    (1 << 24) - 1,
    1 << 24,
    i32::MAX as u64,
    1 << 31,
    u32::MAX as u64,
    1 << 32,
    (1 << 40) - 1,
    i64::MAX as u64,
    1 << 63,
    u64::MAX,
];

pub(super) fn number(random: &mut Random) -> u64 {
    NUMBERS[pick(random, NUMBERS.len())]
}

/// An index below `len`, or 0.
pub(super) fn pick(random: &mut Random, len: usize) -> usize {
    usize::try_from(random.below(len.max(1) as u64)).unwrap()
}

/// A part of the bytes: where it begins, and where it ends.
fn part(random: &mut Random, len: usize) -> std::ops::Range<usize> {
    let start = pick(random, len);
    let longest = (len - start).min([4, 16, 64, 1024][pick(random, 4)]);
    start..start + pick(random, longest + 1)
}

/// Changes bytes in one way.
pub(super) fn bytes(random: &mut Random, bytes: &mut Vec<u8>) {
    if bytes.is_empty() {
        bytes.extend(number(random).to_le_bytes());
        return;
    }
    let at = pick(random, bytes.len());
    match random.below(11) {
        0 | 1 => bytes[at] ^= 1 << random.below(8),
        2 => bytes[at] = [0, 1, 0x7f, 0x80, 0xff][pick(random, 5)],
        3 => put(bytes, at & !3, &number(random).to_le_bytes()[..4]),
        4 => put(bytes, at & !7, &number(random).to_le_bytes()),
        5 => put(bytes, at, &number(random).to_le_bytes()),
        6 => {
            let of = part(random, bytes.len());
            bytes.drain(of);
        }
        7 => {
            let copy = bytes[part(random, bytes.len())].to_vec();
            bytes.splice(at..at, copy);
        }
        8 => {
            let copy = bytes[part(random, bytes.len())].to_vec();
            put(bytes, at, &copy);
        }
        9 => bytes.truncate(at),
        _ => {
            let byte = [0, 0xff][pick(random, 2)];
            let longer = bytes.len() + [1, 8, 4096][pick(random, 3)];
            bytes.resize(longer, byte);
        }
    }
}

/// Overwrites bytes, as many as there are.
fn put(bytes: &mut [u8], at: usize, with: &[u8]) {
    bytes[at..].iter_mut().zip(with).for_each(|(byte, new)| *byte = *new);
}

/// The value at the `at`th place of a JSON text, counted from the outside inwards.
fn place<'a>(value: &'a mut Value, at: &mut usize) -> Option<&'a mut Value> {
    if *at == 0 {
        return Some(value);
    }
    *at -= 1;
    match value {
        Value::Array(items) => items.iter_mut().find_map(|item| place(item, at)),
        Value::Object(fields) => fields.values_mut().find_map(|field| place(field, at)),
        _ => None,
    }
}

fn places(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(places).sum(),
        Value::Object(fields) => fields.values().map(places).sum(),
        _ => 0,
    }
}

/// Changes one value of a JSON text, or what is in it.
pub(super) fn json(random: &mut Random, text: &mut Value) {
    let all = places(text);
    let mut from = pick(random, all);
    let copy = place(text, &mut from).map_or(Value::Null, |value| value.clone());
    let mut at = pick(random, all);
    let Some(value) = place(text, &mut at) else { return };
    match (random.below(8), value) {
        (0 | 1, Value::Array(items)) if !items.is_empty() => array(random, items),
        (0 | 1, Value::Object(fields)) if !fields.is_empty() => {
            let name = fields.keys().nth(pick(random, fields.len())).unwrap().clone();
            fields.remove(&name);
        }
        (0..=3, Value::Number(n)) => {
            let near = n.as_u64().unwrap_or(0);
            *n = [near.wrapping_add(1), near.wrapping_sub(1), number(random)][pick(random, 3)].into();
        }
        (0..=3, Value::String(said)) => match random.below(4) {
            0 => said.clear(),
            1 => *said = "é\0\"\\,=x".repeat(pick(random, 800)),
            2 => {
                let mut bytes = std::mem::take(said).into_bytes();
                self::bytes(random, &mut bytes);
                *said = String::from_utf8_lossy(&bytes).into_owned();
            }
            _ => said.push('0'),
        },
        (4, value) => *value = copy,
        (5, value) => *value = number(random).cast_signed().into(),
        (_, value) => *value = odd(random),
    }
}

fn array(random: &mut Random, items: &mut Vec<Value>) {
    let at = pick(random, items.len());
    match random.below(4) {
        0 => drop(items.remove(at)),
        1 => items.insert(at, items[at].clone()),
        2 => items.reverse(),
        _ => {
            let other = pick(random, items.len());
            items.swap(at, other);
        }
    }
}

fn odd(random: &mut Random) -> Value {
    match random.below(9) {
        0 => Value::Null,
        1 => json!([]),
        2 => json!({}),
        3 => json!(true),
        4 => json!(1e308),
        5 => json!(-0.5),
        6 => json!(i64::MIN),
        7 => json!([[0, 0, 0], [1, u64::MAX, 0]]),
        _ => (0..100).fold(Value::Null, |inner, _| json!([inner])),
    }
}
