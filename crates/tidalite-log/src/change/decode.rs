//! Bytes to changes.

use super::codes::{
    CLEAR, DELETE, EDIT, END, FALSE, FLOAT, INT, KEEP, LIST, MAP, NULL, REWIND, SET, START, TEXT, TRUE,
    WITHDRAW,
};
use std::collections::BTreeSet;
use tidalite_model::{
    Assign, Labels, Moment, PARAM_DEPTH_MAX, Param, Params, Parent, RunChange, RunEdit, RunEnd, RunStart,
    SEQ_ORDINAL_MAX, Status, WRITER_MAX,
};

/// Decodes a change. `None` if the bytes are not exactly one.
pub(crate) fn decode(bytes: &[u8]) -> Option<RunChange> {
    let mut r = ChangeReader { rest: bytes };
    let change = match r.byte()? {
        START => RunChange::Start(RunStart {
            time_us: r.integer()?,
            labels: r.labels()?,
            host: r.text()?.to_string(),
            pid: r.half()?,
            gone: r.moment()?,
            edit: r.edit()?,
        }),
        EDIT => RunChange::Edit(r.edit()?),
        END => RunChange::End(RunEnd {
            start: r.ordinal()?,
            time_us: r.integer()?,
            status: r.status()?,
            reason: r.option(|r| r.text().map(str::to_string))?,
            logged: r.flag()?,
            last_step: r.option(ChangeReader::integer)?,
        }),
        REWIND => RunChange::Rewind {
            step: r.integer()?,
            before: r.moment()?,
            labels: r.labels()?,
            metrics: (0..r.count(4)?).map(|_| r.text().map(str::to_string)).collect::<Option<_>>()?,
        },
        DELETE => RunChange::Delete { before: r.moment()? },
        WITHDRAW => RunChange::Withdraw { start: r.ordinal()? },
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

    fn integer(&mut self) -> Option<i64> {
        self.word().map(u64::cast_signed)
    }

    /// The ordinal of a frame.
    fn ordinal(&mut self) -> Option<u64> {
        self.word().filter(|&ordinal| ordinal <= SEQ_ORDINAL_MAX)
    }

    fn flag(&mut self) -> Option<bool> {
        match self.byte()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }

    fn option<T>(&mut self, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<Option<T>> {
        if self.flag()? { read(self).map(Some) } else { Some(None) }
    }

    fn assign<T>(&mut self, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<Assign<T>> {
        match self.byte()? {
            KEEP => Some(Assign::Keep),
            CLEAR => Some(Assign::Clear),
            SET => read(self).map(Assign::Set),
            _ => None,
        }
    }

    fn status(&mut self) -> Option<Status> {
        Status::ALL.get(usize::from(self.byte()?).checked_sub(1)?).copied()
    }

    fn labels(&mut self) -> Option<Labels> {
        Labels::parse(self.text()?).ok()
    }

    fn edit(&mut self) -> Option<RunEdit> {
        let text = |r: &mut Self| r.text().map(str::to_string);
        Some(RunEdit {
            params: self.map(0)?,
            remove_params: self.set()?,
            add_tags: self.set()?,
            remove_tags: self.set()?,
            name: self.assign(text)?,
            notes: self.assign(text)?,
            group: self.assign(text)?,
            environment: self.assign(|r| r.map(0))?,
            parent: self.assign(|r| Some(Parent { run: text(r)?, step: r.option(Self::integer)? }))?,
            status: self.assign(Self::status)?,
            started_us: self.assign(Self::integer)?,
            ended_us: self.assign(Self::integer)?,
        })
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

    fn set(&mut self) -> Option<BTreeSet<String>> {
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
