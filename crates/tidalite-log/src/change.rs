//! The encoding of a [`RunChange`]: its kind, then its fields in order.
//!
//! A text is a length (u32) and UTF-8. A list, set or map is a count (u32) and its items. A param is one byte for its
//! type and then its value. The decoder trusts nothing: a count is bounded by the bytes that are left, nesting by
//! `PARAM_DEPTH_MAX`, and trailing bytes are an error.

use std::collections::{BTreeMap, BTreeSet};
use tidalite_model::{
    Error, ErrorKind, Labels, Moment, PARAM_DEPTH_MAX, Param, Params, Parent, Result, RunChange, Status,
    WRITER_MAX,
};

const START: u8 = 1;
const SET_PARAMS: u8 = 2;
const SET_TAGS: u8 = 3;
const END: u8 = 4;
const REWIND: u8 = 5;
const DELETE: u8 = 6;

const NULL: u8 = 1;
const FALSE: u8 = 2;
const TRUE: u8 = 3;
const INT: u8 = 4;
const FLOAT: u8 = 5;
const TEXT: u8 = 6;
const LIST: u8 = 7;
const MAP: u8 = 8;

/// Statuses in the order of their code, which is the index plus one.
const STATUSES: [Status; 4] = [Status::Running, Status::Finished, Status::Failed, Status::Lost];

/// Appends the bytes of `change` to `out`.
///
/// # Errors
/// `Invalid` if a param nests too deep. `Unsupported` for a kind of change or param that this format does not have.
pub(crate) fn encode(change: &RunChange, out: &mut Vec<u8>) -> Result<()> {
    match change {
        RunChange::Start { time_us, params, tags, labels, parent } => {
            out.push(START);
            out.extend_from_slice(&time_us.to_le_bytes());
            put_map(out, params, 0)?;
            put_tags(out, tags)?;
            put_text(out, labels.as_str())?;
            match parent {
                None => out.push(0),
                Some(Parent { run, step }) => {
                    out.push(1 + u8::from(step.is_some()));
                    put_text(out, run)?;
                    if let Some(step) = step {
                        out.extend_from_slice(&step.to_le_bytes());
                    }
                }
            }
        }
        RunChange::SetParams(params) => {
            out.push(SET_PARAMS);
            put_map(out, params, 0)?;
        }
        RunChange::SetTags { add, remove } => {
            out.push(SET_TAGS);
            put_tags(out, add)?;
            put_tags(out, remove)?;
        }
        RunChange::End { time_us, status } => {
            out.push(END);
            out.extend_from_slice(&time_us.to_le_bytes());
            let place = STATUSES.iter().position(|s| s == status).ok_or_else(|| unknown("status"))?;
            out.push(u8::try_from(place).expect("there are four") + 1);
        }
        RunChange::Rewind { step, before } => {
            out.push(REWIND);
            out.extend_from_slice(&step.to_le_bytes());
            put_moment(out, before)?;
        }
        RunChange::Delete { before } => {
            out.push(DELETE);
            put_moment(out, before)?;
        }
        _ => return Err(unknown("change")),
    }
    Ok(())
}

fn put_moment(out: &mut Vec<u8>, moment: &Moment) -> Result<()> {
    out.extend_from_slice(&moment.below().to_le_bytes());
    put_count(out, moment.ends().count())?;
    for (writer, end) in moment.ends() {
        out.extend_from_slice(&writer.to_le_bytes());
        out.extend_from_slice(&end.to_le_bytes());
    }
    Ok(())
}

fn put_count(out: &mut Vec<u8>, count: usize) -> Result<()> {
    let count = u32::try_from(count).map_err(|_| {
        Error::invalid(
            "append run change",
            format!("{count} items or bytes are too many"),
            "give less at once",
        )
    })?;
    out.extend_from_slice(&count.to_le_bytes());
    Ok(())
}

fn put_text(out: &mut Vec<u8>, text: &str) -> Result<()> {
    put_count(out, text.len())?;
    out.extend_from_slice(text.as_bytes());
    Ok(())
}

fn put_tags(out: &mut Vec<u8>, tags: &BTreeSet<String>) -> Result<()> {
    put_count(out, tags.len())?;
    tags.iter().try_for_each(|t| put_text(out, t))
}

fn put_map(out: &mut Vec<u8>, map: &BTreeMap<String, Param>, depth: usize) -> Result<()> {
    put_count(out, map.len())?;
    for (key, value) in map {
        put_text(out, key)?;
        put_param(out, value, depth)?;
    }
    Ok(())
}

fn put_param(out: &mut Vec<u8>, param: &Param, depth: usize) -> Result<()> {
    let nest = || {
        if depth < PARAM_DEPTH_MAX {
            return Ok(depth + 1);
        }
        Err(Error::invalid(
            "append run change",
            format!("a param nests lists and maps more than {PARAM_DEPTH_MAX} deep"),
            "flatten it, or keep it as text",
        ))
    };
    match param {
        Param::Null => out.push(NULL),
        Param::Bool(b) => out.push(if *b { TRUE } else { FALSE }),
        Param::Int(i) => {
            out.push(INT);
            out.extend_from_slice(&i.to_le_bytes());
        }
        Param::Float(f) => {
            out.push(FLOAT);
            out.extend_from_slice(&f.to_bits().to_le_bytes());
        }
        Param::Text(s) => {
            out.push(TEXT);
            put_text(out, s)?;
        }
        Param::List(items) => {
            let depth = nest()?;
            out.push(LIST);
            put_count(out, items.len())?;
            items.iter().try_for_each(|item| put_param(out, item, depth))?;
        }
        Param::Map(map) => {
            let depth = nest()?;
            out.push(MAP);
            put_map(out, map, depth)?;
        }
        _ => return Err(unknown("param")),
    }
    Ok(())
}

fn unknown(what: &str) -> Error {
    Error::new(
        ErrorKind::Unsupported,
        "append run change",
        format!("the log's format does not have this kind of {what}"),
        "use a version of tidalite whose parts belong together",
    )
}

/// Decodes a change. `None` if the bytes are not exactly one.
pub(crate) fn decode(bytes: &[u8]) -> Option<RunChange> {
    let mut r = ChangeReader { rest: bytes };
    let change = match r.byte()? {
        START => RunChange::Start {
            time_us: r.word()?.cast_signed(),
            params: r.map(0)?,
            tags: r.tags()?,
            labels: Labels::parse(r.text()?).ok()?,
            parent: match r.byte()? {
                0 => None,
                1 => Some(Parent { run: r.text()?.to_string(), step: None }),
                2 => Some(Parent { run: r.text()?.to_string(), step: Some(r.word()?.cast_signed()) }),
                _ => return None,
            },
        },
        SET_PARAMS => RunChange::SetParams(r.map(0)?),
        SET_TAGS => RunChange::SetTags { add: r.tags()?, remove: r.tags()? },
        END => RunChange::End {
            time_us: r.word()?.cast_signed(),
            status: *STATUSES.get(usize::from(r.byte()?).checked_sub(1)?)?,
        },
        REWIND => RunChange::Rewind { step: r.word()?.cast_signed(), before: r.moment()? },
        DELETE => RunChange::Delete { before: r.moment()? },
        _ => return None,
    };
    r.rest.is_empty().then_some(change)
}

struct ChangeReader<'a> {
    rest: &'a [u8],
}

impl<'a> ChangeReader<'a> {
    fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(n)?;
        self.rest = rest;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1).map(|b| b[0])
    }

    fn word(&mut self) -> Option<u64> {
        self.take(8).map(|b| u64::from_le_bytes(b.try_into().expect("eight bytes were taken")))
    }

    fn half(&mut self) -> Option<u32> {
        self.take(4).map(|b| u32::from_le_bytes(b.try_into().expect("four bytes were taken")))
    }

    fn moment(&mut self) -> Option<Moment> {
        let below = self.half()?;
        let ends: Vec<(u32, u64)> =
            (0..self.count(12)?).map(|_| Some((self.half()?, self.word()?))).collect::<Option<_>>()?;
        let ascend = ends.windows(2).all(|w| w[0].0 < w[1].0);
        let known = |writer: u32| writer <= WRITER_MAX;
        (ascend && below <= WRITER_MAX + 1 && ends.iter().all(|e| known(e.0)))
            .then(|| Moment::new(below, ends))
    }

    /// Reads the count of items that take at least `each` bytes. A count that exceeds the remaining bytes is refused.
    fn count(&mut self, each: usize) -> Option<usize> {
        let count = usize::try_from(self.half()?).ok()?;
        (count.checked_mul(each)? <= self.rest.len()).then_some(count)
    }

    fn text(&mut self) -> Option<&'a str> {
        let len = self.count(1)?;
        std::str::from_utf8(self.take(len)?).ok()
    }

    fn tags(&mut self) -> Option<BTreeSet<String>> {
        (0..self.count(4)?).map(|_| self.text().map(str::to_string)).collect()
    }

    fn map(&mut self, depth: usize) -> Option<Params> {
        (0..self.count(5)?).map(|_| Some((self.text()?.to_string(), self.param(depth)?))).collect()
    }

    fn param(&mut self, depth: usize) -> Option<Param> {
        let nest = (depth < PARAM_DEPTH_MAX).then_some(depth + 1);
        Some(match self.byte()? {
            NULL => Param::Null,
            FALSE => Param::Bool(false),
            TRUE => Param::Bool(true),
            INT => Param::Int(self.word()?.cast_signed()),
            FLOAT => Param::Float(f64::from_bits(self.word()?)),
            TEXT => Param::Text(self.text()?.to_string()),
            LIST => {
                let depth = nest?;
                Param::List((0..self.count(1)?).map(|_| self.param(depth)).collect::<Option<_>>()?)
            }
            MAP => Param::Map(self.map(nest?)?),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(change: &RunChange) -> Vec<u8> {
        let mut out = Vec::new();
        encode(change, &mut out).unwrap();
        out
    }

    fn nested(depth: usize) -> Params {
        let value = (0..depth).fold(Param::Null, |p, i| match i % 2 {
            0 => Param::List(vec![p]),
            _ => Param::Map(BTreeMap::from([("k".to_string(), p)])),
        });
        Params::from([("p".to_string(), value)])
    }

    fn every_kind() -> Vec<RunChange> {
        let params = Params::from([
            ("null".to_string(), Param::Null),
            ("yes".to_string(), true.into()),
            ("no".to_string(), false.into()),
            ("int".to_string(), i64::MIN.into()),
            ("zero".to_string(), (-0.0).into()),
            ("inf".to_string(), f64::NEG_INFINITY.into()),
            ("text".to_string(), "🌊".into()),
            ("list".to_string(), vec![Param::Int(1), "x".into(), vec![].into()].into()),
        ]);
        let tags = BTreeSet::from(["a".to_string(), "b".to_string()]);
        let start = |parent| RunChange::Start {
            time_us: -5,
            params: params.clone(),
            tags: tags.clone(),
            labels: Labels::parse("host=a,rank=3").unwrap(),
            parent,
        };
        vec![
            start(None),
            start(Some(Parent { run: "p".into(), step: None })),
            start(Some(Parent { run: "p".into(), step: Some(i64::MIN) })),
            RunChange::SetParams(nested(PARAM_DEPTH_MAX)),
            RunChange::SetTags { add: tags.clone(), remove: BTreeSet::new() },
            RunChange::End { time_us: i64::MAX, status: Status::Failed },
            RunChange::Rewind { step: i64::MIN, before: Moment::default() },
            RunChange::Rewind { step: 7, before: Moment::new(3, [(1, 0), (WRITER_MAX, u64::MAX)]) },
            RunChange::Delete { before: Moment::new(WRITER_MAX + 1, []) },
        ]
    }

    #[test]
    fn every_kind_of_change_reads_back() {
        for change in every_kind() {
            assert_eq!(decode(&bytes(&change)), Some(change));
        }
    }

    #[test]
    fn the_bits_of_a_nan_are_kept() {
        let nan = f64::from_bits(0x7FF8_0000_DEAD_BEEF);
        let change = RunChange::SetParams(Params::from([("x".to_string(), Param::Float(nan))]));
        let Some(RunChange::SetParams(read)) = decode(&bytes(&change)) else { panic!("it is a change") };
        assert!(matches!(read["x"], Param::Float(f) if f.to_bits() == nan.to_bits()));
    }

    #[test]
    fn nesting_is_bounded_both_ways() {
        let deep = RunChange::SetParams(nested(PARAM_DEPTH_MAX + 1));
        let e = encode(&deep, &mut Vec::new()).unwrap_err();
        assert_eq!(e.kind(), ErrorKind::Invalid);
        // A list in a list, 100,000 levels deep.
        let mut forged = vec![SET_PARAMS, 1, 0, 0, 0, 1, 0, 0, 0, b'p'];
        (0..100_000).for_each(|_| forged.extend_from_slice(&[LIST, 1, 0, 0, 0]));
        assert_eq!(decode(&forged), None);
    }

    #[test]
    fn truncated_and_changed_bytes_are_refused_or_read_safely() {
        for change in every_kind() {
            let good = bytes(&change);
            for len in 0..good.len() {
                assert_eq!(decode(&good[..len]), None, "{len} of {} bytes", good.len());
            }
            for i in 0..good.len() {
                for value in [0, 1, 0x7F, 0xFF] {
                    let mut bad = good.clone();
                    bad[i] = value;
                    let _ = decode(&bad);
                }
            }
        }
    }
}
